package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/chatsdk/chatsdk/profile"
)

const (
	// slowWrite is from where on a disk is told as slow: each message waits that long before it counts as queued.
	slowWrite = time.Second
	// littleRoom is from where on a disk is told as nearly full: an upload and a week of a busy channel fit no more.
	littleRoom = 100 << 20
	// block is what is written to try the disk, a page of a database.
	block = 4096
)

// home is what a profile's folder showed.
type home struct {
	server *url.URL // whose it is, or nil
	kept   *kept    // nil if there was no look at the session
	none   bool     // there is no profile
	held   error    // somebody else has it open: who
}

// disk looks at the profile's folder, on a goroutine of its own, since a disk may never answer.
func (r *run) disk(ctx context.Context) Check {
	if r.Profile == "" {
		return skip("no profile was given; --profile names one")
	}
	type found struct {
		Check
		home
	}
	begun := time.Now()
	done := make(chan found, 1)
	go func() {
		c, h := lookAtHome(ctx, r.Profile, r.open)
		done <- found{c, h}
	}()
	select {
	case f := <-done:
		r.home = f.home
		return f.Check
	case <-ctx.Done():
		return fail(FaultOther, Figures{Disk: &Room{Dir: r.Profile}}, "is it on a network drive that is away, or on a disk that fails?",
			"the disk didn't answer within %s", inMS(time.Since(begun)))
	}
}

// lookAtHome tries the disk, opens the profile, which every program of the client does first, looks, and closes it again.
func lookAtHome(ctx context.Context, dir string, open func(string) (*profile.Profile, error)) (Check, home) {
	room := &Room{Dir: dir}
	f := Figures{Disk: room}
	there, err := profile.Exists(dir)
	if err != nil {
		return diskFailed(f, err), home{}
	}
	if !there {
		return warn(f, "chatsdk login makes one", "no profile is there yet"), home{none: true}
	}
	room.FreeBytes, _ = freeBytes(dir) // 0 where it isn't known
	took, err := tryDisk(dir)
	room.WriteMS = ms(took)
	if err != nil {
		return diskFailed(f, err), home{}
	}
	p, err := open(dir)
	var locked *profile.LockedError
	switch {
	case errors.As(err, &locked):
		who := "another program"
		if locked.Program != "" {
			who = fmt.Sprintf("%s (process %d)", short(locked.Program), locked.PID)
		}
		c := judgeRoom(f, took)
		c.Seen += "; in use by " + who
		return c, home{held: err, server: addressOf(locked.Server)}
	case err != nil:
		return profileFailed(f, err), home{}
	}
	k, server, err := lookAtSession(ctx, p)
	if err := errors.Join(err, p.Close()); err != nil {
		return profileFailed(f, err), home{}
	}
	return judgeRoom(f, took), home{server: addressOf(server), kept: &k}
}

// addressOf is a server's address as profiles keep it, or nil.
func addressOf(server string) *url.URL {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

func judgeRoom(f Figures, took time.Duration) Check {
	free := ""
	if n := f.Disk.FreeBytes; n > 0 {
		free = ", " + size(n) + " free"
	}
	switch {
	case f.Disk.FreeBytes > 0 && f.Disk.FreeBytes < littleRoom:
		return warn(f, "free some space: on a full disk nothing new can be queued", "little room: %s free", size(f.Disk.FreeBytes))
	case took > slowWrite:
		return warn(f, "each message waits for the disk: use a folder on another one, or see what keeps this one busy", "a write takes %s%s", inMS(took), free)
	}
	return ok(f, "a write takes %s%s", inMS(took), free)
}

// tryDisk writes a block, and waits until the disk has it.
func tryDisk(dir string) (took time.Duration, err error) {
	f, err := os.CreateTemp(dir, "doctor-*.tmp")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	begun := time.Now()
	_, err = f.Write(make([]byte, block))
	err = errors.Join(err, f.Sync())
	took = time.Since(begun)
	return took, errors.Join(err, f.Close())
}

// diskFailed is for what the system says of a folder.
func diskFailed(f Figures, err error) Check {
	said := err
	var pe *fs.PathError
	if errors.As(err, &pe) { // repeats the path
		said = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return fail(FaultConfig, f, "--profile has to be a folder that this user may write", "can't be written: %s", short(said.Error()))
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail(FaultOther, f, "free some space; nothing that was kept is lost", "the disk is full: %s", short(said.Error()))
	}
	return fail(FaultOther, f, "look at the disk's health and the system's log", "the disk fails: %s", short(said.Error()))
}

// profileFailed is for what package profile says.
func profileFailed(f Figures, err error) Check {
	var e *profile.Error
	advice := ""
	if errors.As(err, &e) {
		advice = e.Hint()
	}
	switch {
	case errors.Is(err, profile.ErrCorrupt):
		return fail(FaultOther, f, advice, "the profile is damaged")
	case errors.Is(err, profile.ErrNewer):
		return fail(FaultConfig, f, advice, "the profile was written by a newer program")
	case errors.Is(err, profile.ErrReadOnly):
		return fail(FaultConfig, f, advice, "the profile can't be written")
	case errors.Is(err, profile.ErrDiskFull):
		return fail(FaultOther, f, advice, "the disk is full")
	case errors.Is(err, profile.ErrDisk):
		return fail(FaultOther, f, advice, "the disk fails: %s", causeOf(e, err))
	}
	return fail(FaultOther, f, advice, "the profile can't be opened: %s", short(err.Error()))
}

// causeOf is what the system said.
func causeOf(e *profile.Error, err error) string {
	if e != nil && e.Err != nil {
		err = e.Err
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return short(err.Error())
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1<<30 {
		return inUnits(n, 1<<20, "MiB")
	}
	return inUnits(n, 1<<30, "GiB")
}
