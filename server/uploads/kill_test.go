package uploads_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// killedChild marks the process that TestKilledServer runs itself in; it names the data folder.
const killedChild = "CHATSDK_TEST_KILLED_SERVER"

// TestMain serves instead of testing in a child.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killedChild); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveChild(dir string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	key, err := db.Key(ctx)
	if err != nil {
		return err
	}
	s, err := server.New(server.Config{
		Store: db, Key: key, Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1}, Logger: slog.New(slog.DiscardHandler),
		Uploads: server.Uploads{Dir: filepath.Join(dir, "uploads")},
	})
	if err != nil {
		return err
	}
	if err := s.AddUser(ctx, "alice", password); err != nil && !errors.Is(err, server.ErrExists) {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	fmt.Println("http://" + ln.Addr().String())
	return s.Serve(ln) // until it is killed
}

// child is a server in a process of its own.
type child struct {
	cmd   *exec.Cmd
	url   string
	token string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	c := &child{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	c.cmd.Env = append(os.Environ(), killedChild+"="+dir)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child said %q: %v", line, err)
	}
	c.url = strings.TrimSpace(line)
	return c
}

// kill ends it like a crash.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait() // it says that it was killed
}

func (c *child) do(method, path string, body io.Reader, headers ...string) (*http.Response, error) {
	req, err := http.NewRequest(method, c.url+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(data))
	return resp, err
}

func (c *child) patch(path string, at int64, body io.Reader, headers ...string) (int64, error) {
	resp, err := c.do("PATCH", path, body, append([]string{
		"Upload-Offset", strconv.FormatInt(at, 10), "Content-Type", "application/offset+octet-stream",
	}, headers...)...)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != 204 {
		data, _ := io.ReadAll(resp.Body)
		return 0, fmt.Errorf("patch: %d %s", resp.StatusCode, data)
	}
	return strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
}

// slow is a body that takes its time, and none of it is in a checksum's way.
type slow struct {
	*bytes.Reader

	pause time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.Reader.Read(p[:min(len(p), 32<<10)])
}

// TestKilledServer kills a server again and again at random points of PATCH requests, with checksums and without. What
// was acknowledged is there afterwards, the file begins with what was sent, and the upload ends with the right digest.
func TestKilledServer(t *testing.T) {
	n := seed(t)
	rng := rand.New(rand.NewPCG(n, 0))
	t.Logf("SEED=%d", n)
	dir := t.TempDir()
	whole := make([]byte, 32<<20)
	for i := range whole {
		whole[i] = byte(rng.Uint32())
	}
	c := startChild(t, dir)
	resp, err := c.do("POST", "/api/auth/login", strings.NewReader(`{"user":"alice","password":"`+password+`","device":"d"}`))
	if err != nil {
		t.Fatal(err)
	}
	var in wire.TokenReply
	if err := json.NewDecoder(resp.Body).Decode(&in); err != nil {
		t.Fatal(err)
	}
	c.token = in.Token
	create := func() string {
		resp, err := c.do("POST", "/api/uploads", nil, "Upload-Length", strconv.Itoa(len(whole)),
			"Upload-Metadata", meta("key", "k", "sha256", digest(whole)))
		if err != nil || resp.StatusCode != 201 {
			t.Fatalf("create: %v, %v", resp, err)
		}
		return resp.Header.Get("Location")
	}
	path := create()
	acked, kept := int64(0), 0
	for kill := range 8 {
		acked = c.sendUntilKilled(rng, path, whole, acked)
		c = startChild(t, dir)
		c.token = in.Token
		resp, err := c.do("HEAD", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
		if err != nil || at < acked {
			t.Fatalf("kill %d: at %d after %d was acknowledged (%v)", kill, at, acked, err)
		}
		file, err := os.ReadFile(filepath.Join(dir, "uploads", id(path)))
		if at > 0 && (err != nil || int64(len(file)) < at || !bytes.Equal(file[:at], whole[:at])) {
			t.Fatalf("kill %d: the file's %d bytes don't begin with the %d that are acknowledged (%v)", kill, len(file), at, err)
		}
		if at > acked {
			kept++
		}
		acked = at
		if again := create(); again != path {
			t.Fatalf("kill %d: the key makes %s, not %s", kill, again, path)
		}
	}
	t.Logf("at %d of %d after 8 kills, %d times beyond what was acknowledged", acked, len(whole), kept)
	if acked < int64(len(whole)) {
		if _, err := c.patch(path, acked, bytes.NewReader(whole[acked:])); err != nil {
			t.Fatal(err)
		}
	}
	resp, err = c.do("GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(resp.Body); !bytes.Equal(got, whole) || resp.Header.Get(wire.HeaderUploadSHA256) != digest(whole) {
		t.Fatalf("the whole differs: %d, %d bytes", resp.StatusCode, len(got))
	}
	c.kill()
}

// sendUntilKilled sends chunks until the server is killed, and answers what it acknowledged.
func (c *child) sendUntilKilled(rng *rand.Rand, path string, whole []byte, at int64) int64 {
	timer := time.AfterFunc(time.Duration(20+rng.IntN(180))*time.Millisecond, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	defer c.kill()
	for at < int64(len(whole))-1 {
		n := min(1+rng.Int64N(6<<20), int64(len(whole))-1-at) // the last byte is for the end
		chunk := whole[at : at+n]
		var headers []string
		if rng.IntN(2) == 0 {
			headers = []string{"Upload-Checksum", sha256Header(chunk)}
		}
		next, err := c.patch(path, at, slow{bytes.NewReader(chunk), 2 * time.Millisecond}, headers...)
		if err != nil {
			return at
		}
		at = next
	}
	return at
}
