package doctor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/doctor"
	"github.com/chatsdk/chatsdk/profile"
)

// content is every file of a folder, by name.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

// TestDamagedProfiles damages what a profile has. Nothing of it is changed, and the advice is the one that saves it.
func TestDamagedProfiles(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, dir string) error{
		"no database": func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "profile.db"), bytes.Repeat([]byte("x"), 8192), 0o600)
		},
		"gone": func(_ *testing.T, dir string) error { return os.Remove(filepath.Join(dir, "profile.db")) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			keep(t, dir, "http://"+name, "ada", time.Hour)
			if err := damage(t, dir); err != nil {
				t.Fatal(err)
			}
			before := content(t, dir)
			r := doctor.Run(t.Context(), doctor.Options{Profile: dir})
			wants(t, r, doctor.Disk, doctor.Failed, doctor.FaultOther, "the profile is damaged", "chatsdk outbox export --rescue")
			skips(t, r, "since disk failed", doctor.Session)
			if after := content(t, dir); after["profile.db"] != before["profile.db"] || len(after) != len(before) {
				t.Errorf("it was changed: %v, before %v", keys(after), keys(before))
			}
		})
	}
}

func keys(m map[string]string) []string {
	var out []string
	for k := range maps.Keys(m) {
		out = append(out, k)
	}
	return out
}

func TestFoldersThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := doctor.Run(t.Context(), doctor.Options{Profile: file})
	wants(t, r, doctor.Disk, doctor.Failed, doctor.FaultConfig, "can't be written")
	skips(t, r, "since disk failed", doctor.Session)

	empty := t.TempDir() // no profile is made of somebody's folder
	r = doctor.Run(t.Context(), doctor.Options{Profile: empty})
	wants(t, r, doctor.Disk, doctor.Warning, "", "no profile is there yet", "chatsdk login")
	if left := content(t, empty); len(left) != 0 {
		t.Errorf("left behind: %v", keys(left))
	}
}

// TestLeavesNothing wants a profile's folder as it was, but for the holder's name.
func TestLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	keep(t, dir, "http://"+name, "ada", time.Hour)
	before := content(t, dir)
	r := doctor.Run(t.Context(), doctor.Options{Profile: dir})
	wants(t, r, doctor.Disk, doctor.OK, "", "a write takes")
	after := content(t, dir)
	if len(after) != len(before) || after["profile.db"] != before["profile.db"] {
		t.Errorf("%v, before %v", keys(after), keys(before))
	}
}

// TestDiskThatHangs never answers, and then does: the profile that is opened then is closed again.
func TestDiskThatHangs(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		dir := t.TempDir()
		keep(t, dir, "http://"+name, "ada", time.Hour)
		release := make(chan struct{})
		o := doctor.Options{Profile: dir}.OpenWith(func(dir string) (*profile.Profile, error) {
			<-release
			return profile.Open(dir)
		})
		begun := time.Now()
		r := doctor.Run(t.Context(), o)
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		wants(t, r, doctor.Disk, doctor.Failed, doctor.FaultOther, "didn't answer within 5000 ms")
		skips(t, r, "since disk failed", doctor.Session)
		close(release)
		time.Sleep(time.Second)
		p, err := profile.Open(dir)
		if err != nil {
			t.Fatalf("it stayed open: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestDisks judges what systems and package profile say.
func TestDisks(t *testing.T) {
	path := func(err error) error { return &fs.PathError{Op: "open", Path: "/home/ada/chat", Err: err} }
	of := func(kind error) error { return &profile.Error{Dir: "d", Kind: kind, Err: path(syscall.EIO)} }
	for what, row := range map[string]struct {
		got   doctor.Check
		want  doctor.Outcome
		fault doctor.Fault
		seen  string
	}{
		"not mine":       {doctor.JudgeDisk(path(syscall.EACCES), nil, 0), doctor.Failed, doctor.FaultConfig, "can't be written: permission denied"},
		"read-only disk": {doctor.JudgeDisk(path(syscall.EROFS), nil, 0), doctor.Failed, doctor.FaultConfig, "can't be written: read-only file system"},
		"full":           {doctor.JudgeDisk(path(syscall.ENOSPC), nil, 0), doctor.Failed, doctor.FaultOther, "the disk is full: no space left on device"},
		"over quota":     {doctor.JudgeDisk(path(syscall.EDQUOT), nil, 0), doctor.Failed, doctor.FaultOther, "the disk is full: disk quota exceeded"},
		"failing":        {doctor.JudgeDisk(path(syscall.EIO), nil, 0), doctor.Failed, doctor.FaultOther, "the disk fails: input/output error"},
		"newer":          {doctor.JudgeDisk(nil, of(profile.ErrNewer), 0), doctor.Failed, doctor.FaultConfig, "the profile was written by a newer program"},
		"read-only":      {doctor.JudgeDisk(nil, of(profile.ErrReadOnly), 0), doctor.Failed, doctor.FaultConfig, "the profile can't be written"},
		"full database":  {doctor.JudgeDisk(nil, of(profile.ErrDiskFull), 0), doctor.Failed, doctor.FaultOther, "the disk is full"},
		"disk error":     {doctor.JudgeDisk(nil, of(profile.ErrDisk), 0), doctor.Failed, doctor.FaultOther, "the disk fails: input/output error"},
		"little room":    {doctor.JudgeDisk(nil, nil, 99<<20), doctor.Warning, "", "little room: 99.0 MiB free"},
		"room":           {doctor.JudgeDisk(nil, nil, 3<<29), doctor.OK, "", "a write takes <1 ms, 1.5 GiB free"},
		"room unknown":   {doctor.JudgeDisk(nil, nil, 0), doctor.OK, "", "a write takes <1 ms"},
		"slow":           {doctor.SlowWrite(true), doctor.Warning, "", "a write takes 1000 ms, 1024.0 GiB free"},
		"not slow yet":   {doctor.SlowWrite(false), doctor.OK, "", "a write takes 1000 ms, 1024.0 GiB free"},
		"of no kind":     {doctor.JudgeDisk(nil, errors.New("odd"), 0), doctor.Failed, doctor.FaultOther, "the profile can't be opened: odd"},
	} {
		if row.got.Outcome != row.want || row.got.Fault != row.fault || row.got.Seen != row.seen {
			t.Errorf("%s: %+v", what, row.got)
		}
		if row.want != doctor.OK && row.got.Advice == "" && what != "of no kind" {
			t.Errorf("%s: no advice", what)
		}
	}
}

// TestFirstThatMatters decides between failed checks.
func TestFirstThatMatters(t *testing.T) {
	failed := func(n doctor.Name) doctor.Check { return doctor.Check{Name: n, Outcome: doctor.Failed} }
	portal := failed(doctor.Portal)
	portal.Captive = true
	for want, list := range map[doctor.Name][]doctor.Check{
		"":            {{Name: doctor.DNS, Outcome: doctor.OK}, {Name: doctor.TLS, Outcome: doctor.Warning}, {Name: doctor.Disk, Outcome: doctor.Skipped}},
		doctor.TCP:    {{Name: doctor.DNS, Outcome: doctor.Warning}, failed(doctor.TCP), failed(doctor.Session)},
		doctor.Portal: {failed(doctor.TLS), portal, failed(doctor.Disk)},
	} {
		got, ok := doctor.Report{Checks: list}.Decisive()
		if got.Name != want || ok != (want != "") {
			t.Errorf("%s decides, wanted %s: %v", got.Name, want, fmt.Sprint(list))
		}
	}
}
