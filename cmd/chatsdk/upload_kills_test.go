package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/chatsdk/chatsdk/upload"
)

// fewMiB is the size of the file in the ordinary test; `make soak` uploads 1 GiB.
const fewMiB = 96

// TestKilledUploadGoesOn kills client and server at random moments of an upload. UPLOAD_MIB is the size of the file,
// UPLOAD_KILLS how often, and SEED repeats who is killed when.
func TestKilledUploadGoesOn(t *testing.T) {
	uploadKilled(t, scenario.UploadKillOptions{Kills: number(t, "UPLOAD_KILLS", 6)})
}

// TestUploadNeedsLittleMemory uploads to a server that hashes passwords cheaply: one that doesn't has 64 MiB from its
// start, which uploads could use without anybody seeing it.
func TestUploadNeedsLittleMemory(t *testing.T) {
	r := uploadKilled(t, scenario.UploadKillOptions{
		Kills: 2, Serve: func(addr, data string) []string { return []string{"leanserver", addr, data} },
	})
	most := int64(64 << 20)
	if raceDetector() {
		most *= 2 // a program needs more then: 64 MiB idle, and 260 with a password's hash
	}
	if r.ServerIdle > most {
		t.Errorf("the server has %d bytes when idle: nothing is seen beside them", r.ServerIdle)
	}
}

// raceDetector says whether the test was built with it.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func uploadKilled(t *testing.T, o scenario.UploadKillOptions) scenario.UploadKillReport {
	t.Helper()
	o.Program, o.Dir, o.Seed = []string{"chatsdk"}, t.TempDir(), uint64(number(t, "SEED", 1))
	o.Size = int64(number(t, "UPLOAD_MIB", fewMiB)) << 20
	o.Upload = func(file, profile, server, user, passwordFile string) []string {
		return []string{"uploader", file, profile, server, user, passwordFile}
	}
	r, err := scenario.RunUploadKills(t.Context(), o)
	t.Logf("%s", r)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Errorf("repeat with SEED=%d", r.Seed)
	}
	if r.ClientKills == 0 || r.ServerKills == 0 || runtime.GOOS == "linux" && (r.ClientPeak == 0 || r.ServerPeak == 0) {
		t.Error("nothing was tested")
	}
	return r
}

// uploader is a program that uploads one file: FILE PROFILE SERVER USER PASSWORDFILE. It stands for a program that uses
// the library, without anything beside it.
func uploader() {
	if err := uploadOne(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func uploadOne(ctx context.Context, file, dir, server, user, passwordFile string) error {
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	p, err := profile.Open(dir)
	if err != nil {
		return err
	}
	defer p.Close()
	c, err := chatsdk.Open(ctx, chatsdk.Options{Server: server, Store: p})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, _, ok := c.Session(); !ok {
		if err := c.SignIn(ctx, user, strings.TrimSuffix(string(password), "\n")); err != nil {
			return err
		}
	}
	c.Connect()
	const id = "0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182" // the same in each run
	if _, err := c.Upload(ctx, upload.Request{ID: id, Path: file}); err != nil {
		return err
	}
	_, err = c.WaitUpload(ctx, id)
	return err
}

// leanServer is `chatsdk serve` without what takes memory beside uploads: ADDR DATA.
func leanServer() {
	if err := serveLean(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveLean(ctx context.Context, addr, data string) error {
	store, err := sqlite.Open(ctx, data)
	if err != nil {
		return err
	}
	defer store.Close()
	key, err := store.Key(ctx)
	if err != nil {
		return err
	}
	s, err := server.New(server.Config{
		Store: store, Key: key, Argon: server.Argon{MemoryKiB: 64, Time: 1, Threads: 1},
		Uploads: server.Uploads{Dir: filepath.Join(data, "uploads")}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "listening on http://%s\n", ln.Addr())
	return s.Serve(ln)
}
