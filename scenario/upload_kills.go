package scenario

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/chatsdk/chatsdk/server/uploads"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// uploadEnd bounds an upload by processes that are killed, on a machine that is busy with others.
	uploadEnd = 10 * time.Minute
	// memoryOver is what uploading a file of any size may cost a process beyond what it needs when idle.
	memoryOver = 32 << 20
	// chunkMost is the largest chunk that a server which takes checksums is sent, whole or not at all: what a kill may cost.
	chunkMost = 64 << 20
)

// UploadKillOptions say how processes are killed that upload. Program, Upload and Dir are required.
type UploadKillOptions struct {
	Program []string // the chatsdk program and the arguments that go before every command
	// Upload is the command that uploads a file from a profile and ends in order when the server has it. Begun again, it
	// goes on where it was.
	Upload func(file, profile, server, user, passwordFile string) []string
	// Serve is a server to use in place of the program's own, or nil: one that needs as little memory as it can makes seen
	// what uploads need. It has to say what it listens on, as the program's does.
	Serve func(addr, data string) []string
	Dir   string // an empty folder
	Seed  uint64
	Size  int64 // of the file; defaults to 1 GiB
	Kills int   // defaults to 10
}

// UploadKillReport is what came of it.
type UploadKillReport struct {
	Seed                     uint64
	Size                     int64
	ClientKills, ServerKills int
	SHA256                   string // of the file, in the server's row and of what it kept; empty if they differ
	Again                    int64  // bytes beyond the file's that reached the server's end, headers and chat included
	// Peaks of resident memory in bytes, the highest of all lives, and what an idle process of the kind has. 0 where the
	// system doesn't tell.
	ClientPeak, ClientIdle, ServerPeak, ServerIdle int64
	Problems                                       []string
	Took                                           time.Duration
}

// OK says whether everything held.
func (r UploadKillReport) OK() bool { return len(r.Problems) == 0 }

// String is the report in a few lines.
func (r UploadKillReport) String() string {
	mib := func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes uploaded over %d kills of the client and %d of the server (seed %d, %v), SHA-256 %s\n",
		r.Size, r.ClientKills, r.ServerKills, r.Seed, r.Took.Round(100*time.Millisecond), cmp.Or(r.SHA256, "NOT the same"))
	fmt.Fprintf(&b, "sent again: %s, %s for each kill\n", mib(r.Again), mib(r.Again/int64(max(r.ClientKills+r.ServerKills, 1))))
	fmt.Fprintf(&b, "peak memory: client %s, %s over idle; server %s, %s over idle\n",
		mib(r.ClientPeak), mib(r.ClientPeak-r.ClientIdle), mib(r.ServerPeak), mib(r.ServerPeak-r.ServerIdle))
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	return b.String()
}

// uploadKills is one run of RunUploadKills.
type uploadKills struct {
	kills

	o      UploadKillOptions
	r      *UploadKillReport
	client *program
	before int64 // bytes that had reached the server's end before the upload
}

// RunUploadKills uploads a file by a process of its own to a server that is another, kills one or the other (SIGKILL)
// whenever some more of the file has arrived, and starts it again. In the end the server has to have one upload, with the
// file's SHA-256, the client must not have begun anew, nothing may have been sent twice but a chunk for each kill, and neither process may have needed more than
// 32 MiB beyond what it needs when idle.
func RunUploadKills(ctx context.Context, o UploadKillOptions) (r UploadKillReport, err error) {
	if o.Size <= 0 {
		o.Size = 1 << 30
	}
	if o.Kills <= 0 {
		o.Kills = 10
	}
	began := time.Now()
	r = UploadKillReport{Seed: o.Seed, Size: o.Size}
	k := &uploadKills{o: o, r: &r}
	k.kills = kills{o: KillOptions{Program: o.Program, Dir: o.Dir}, rng: rand.New(rand.NewPCG(o.Seed, 7)), addr: anyPort, serve: o.Serve}
	ctx, cancel := context.WithTimeout(ctx, uploadEnd)
	defer cancel()
	defer func() { err = errors.Join(err, k.close()) }()
	sum, err := k.prepare(ctx)
	if err != nil {
		return r, err
	}
	if err := k.play(ctx); err != nil {
		return r, err
	}
	err = k.judge(ctx, sum)
	r.Took = time.Since(began)
	return r, err
}

// prepare makes the file and the account, starts the server, and looks at what idle processes need.
func (k *uploadKills) prepare(ctx context.Context) (sum string, err error) {
	for _, name := range []string{"GOMEMLIMIT", "GOGC"} {
		if os.Getenv(name) != "" {
			return "", fmt.Errorf("%s is set: it would decide what is measured here", name)
		}
	}
	if err := os.WriteFile(k.path("password"), []byte(password), 0o600); err != nil {
		return "", err
	}
	if err := k.startServer(ctx); err != nil {
		return "", err
	}
	add, err := startProgram(ctx, k.argv("user", "add", "ada", "--data", k.path("data"), "--password-file", k.path("password")), nil, nil)
	if err != nil {
		return "", err
	}
	if err := add.await(readyLimit); err != nil {
		return "", fmt.Errorf("user add: %w: %s", err, add.said())
	}
	if err := k.between(); err != nil {
		return "", err
	}
	if err := k.idle(ctx); err != nil {
		return "", err
	}
	k.before = k.arrivedThere()
	return writeRandom(k.path("film.mp4"), k.o.Size, k.rng)
}

// idle measures a client that has caught up, and the server that it is connected to. The session is made before, at a
// server that is ended then: hashing a password takes more memory than anything that is measured here.
func (k *uploadKills) idle(ctx context.Context) error {
	for _, measured := range []bool{false, true} {
		t := newTalker("ada", k.argv("chat", Channel, "--json", "--profile", k.path("ada"), "--server", k.via(),
			"--user", "ada", "--password-file", k.path("password")), &History{})
		if err := t.start(ctx, false); err != nil {
			return err
		}
		err := bounded(ctx, func(ctx context.Context) error { return t.await(ctx, func() bool { return t.synced }) })
		if measured {
			k.r.ClientIdle, k.r.ServerIdle = t.proc.peak(), k.server.peak()
		}
		if err := errors.Join(err, t.quit()); err != nil {
			return err
		}
		if !measured {
			k.server.kill()
			if err := k.startServer(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// between puts a proxy between clients and server that counts what is sent. All clients go through it, since a session is
// for one address.
func (k *uploadKills) between() error {
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Upstream: k.addr})
	if err != nil {
		return err
	}
	k.proxies = append(k.proxies, p)
	return p.Start()
}

// via is the server's address for clients.
func (k *uploadKills) via() string { return "http://" + k.proxies[0].Addr() }

// arrivedThere is how many bytes of anything have reached the server's end.
func (k *uploadKills) arrivedThere() int64 { return k.proxies[0].Link().Stats().BytesUp }

// writeRandom writes a file of random bytes and returns its SHA-256.
func writeRandom(name string, size int64, rng *rand.Rand) (string, error) {
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], rng.Uint64())
	}
	sum, err := readerSum(io.TeeReader(io.LimitReader(rand.NewChaCha8(seed), size), f))
	return sum, errors.Join(err, f.Close())
}

// peak is the most memory that was resident in the process so far, or 0 where the system doesn't tell.
func (p *program) peak() int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// note takes the peaks of the lives that run now.
func (k *uploadKills) note() {
	k.r.ClientPeak = max(k.r.ClientPeak, k.client.peak())
	k.r.ServerPeak = max(k.r.ServerPeak, k.server.peak())
}

func (k *uploadKills) startClient(ctx context.Context) (err error) {
	k.client, err = startProgram(ctx, k.o.Upload(k.path("film.mp4"), k.path("ada"), k.via(), "ada", k.path("password")), nil, nil)
	return err
}

// play kills whenever another random part of the file has arrived, and then lets the upload end.
func (k *uploadKills) play(ctx context.Context) error {
	if err := k.startClient(ctx); err != nil {
		return err
	}
	marks := make([]int64, k.o.Kills)
	for i := range marks {
		marks[i] = k.rng.Int64N(k.o.Size)
	}
	slices.Sort(marks)
	for i, mark := range marks {
		if err := k.await(ctx, func() bool { return k.arrived() > mark }); err != nil {
			return err
		}
		pause(ctx, time.Duration(k.rng.Int64N(int64(20*time.Millisecond))))
		k.note()
		if victim := k.rng.IntN(2) == 0; victim && i > 0 || i == 1 { // each at least once
			k.server.kill()
			k.r.ServerKills++
			if err := k.startServer(ctx); err != nil {
				return err
			}
			continue
		}
		k.client.kill()
		k.r.ClientKills++
		if err := k.startClient(ctx); err != nil {
			return err
		}
	}
	return k.await(ctx, func() bool {
		select {
		case <-k.client.gone:
			return true
		default:
			return false
		}
	})
}

// await waits until ok says so, and looks at the memory meanwhile. A client that ended before is no error if it is what
// is waited for.
func (k *uploadKills) await(ctx context.Context, ok func() bool) error {
	for !ok() {
		k.note()
		select {
		case <-k.client.gone:
			if k.client.exit != nil {
				return fmt.Errorf("the client ended: %s; it said\n%s", k.client.ending(), k.client.said())
			}
			if !ok() {
				return errors.New("the client had uploaded all before everybody was killed who was to be")
			}
		case <-k.server.gone:
			return fmt.Errorf("the server ended: %s; it said\n%s", k.server.ending(), k.server.said())
		case <-ctx.Done():
			return fmt.Errorf("%d of %d bytes have arrived: %w; the client said\n%s", k.arrived(), k.o.Size, ctx.Err(), k.client.said())
		case <-time.After(2 * time.Millisecond):
		}
	}
	select {
	case <-k.client.gone:
		if k.client.exit != nil {
			return fmt.Errorf("the client ended: %s; it said\n%s", k.client.ending(), k.client.said())
		}
	default: // it runs
	}
	return nil
}

// arrived is how much the server's folder holds.
func (k *uploadKills) arrived() (n int64) {
	entries, err := os.ReadDir(k.folder())
	if err != nil {
		return 0 // not there yet
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

func (k *uploadKills) folder() string { return filepath.Join(k.path("data"), "uploads") }

// judge compares what the server has with the file, and the memory with what is allowed.
func (k *uploadKills) judge(ctx context.Context, sum string) error {
	problem := func(format string, args ...any) { k.r.Problems = append(k.r.Problems, fmt.Sprintf(format, args...)) }
	k.server.kill()
	k.r.Again = k.arrivedThere() - k.before - k.o.Size
	if most := int64(k.r.ClientKills+k.r.ServerKills) * chunkMost; k.r.Again > most {
		problem("%d bytes were sent again, %d are the chunks that were under way", k.r.Again, most)
	}
	if err := k.oneCopy(ctx, problem); err != nil {
		return err
	}
	entries, err := os.ReadDir(k.folder())
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, k.path("data"))
	if err != nil {
		return fmt.Errorf("read the server's data: %w", err)
	}
	defer func() { _ = store.Close() }() // it was only read
	rows, err := store.AllUploads(ctx)
	if err != nil {
		return fmt.Errorf("read the server's rows: %w", err)
	}
	if len(entries) != 1 || len(rows) != 1 || rows[0].ID != entries[0].Name() {
		problem("the server has %d files and %d rows of one upload", len(entries), len(rows))
		return nil
	}
	row := rows[0]
	kept, err := fileSum(filepath.Join(k.folder(), entries[0].Name()))
	switch {
	case err != nil:
		return err
	case row.State != uploads.Finished || row.SHA256 != sum || kept != sum:
		problem("the file has SHA-256 %.8s, the server's row %.8q in state %d, its file %.8s", sum, row.SHA256, row.State, kept)
	default:
		k.r.SHA256 = sum
	}
	for _, m := range []struct {
		who        string
		peak, idle int64
	}{{"client", k.r.ClientPeak, k.r.ClientIdle}, {"server", k.r.ServerPeak, k.r.ServerIdle}} {
		if m.peak-m.idle > memoryOver {
			problem("the %s needed %d bytes at its peak, %d over the %d of an idle one; at most %d are allowed", m.who, m.peak, m.peak-m.idle, m.idle, int64(memoryOver))
		}
	}
	return nil
}

// oneCopy asks that the client never began anew: what is sent again after a kill can't be told from that where a chunk is
// as large as the file.
func (k *uploadKills) oneCopy(ctx context.Context, problem tell) error {
	p, err := profile.Open(k.path("ada"))
	if err != nil {
		return fmt.Errorf("read the client's profile: %w", err)
	}
	defer func() { _ = p.Close() }() // it was only read
	saved, err := p.Uploads().Load(ctx)
	if err != nil {
		return fmt.Errorf("read the client's uploads: %w", err)
	}
	if len(saved.Uploads) != 1 {
		problem("the client knows of %d uploads", len(saved.Uploads))
	}
	for _, u := range saved.Uploads {
		if u.State != upload.Done || u.Restarts != 0 || len(u.Leftovers) > 0 {
			problem("the client's upload is %v, it began anew %d times, and %d copies are to be dropped", u.State, u.Restarts, len(u.Leftovers))
		}
	}
	return nil
}

// close leaves nothing running.
func (k *uploadKills) close() error {
	if k.client != nil {
		k.client.kill()
	}
	return k.kills.close()
}
