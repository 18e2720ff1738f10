package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// schedules is how many random runs are made.
const schedules = 200

// envSeed is the seed that SEED names, or def.
func envSeed(t *testing.T, def uint64) uint64 {
	v := os.Getenv("SEED")
	if v == "" {
		return def
	}
	seed, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// TestRandomSchedules breaks uploads in every way at random times. Each ends with the file at the server, once, and
// nothing is sent again but what was in flight. SEED=n runs schedule n alone.
func TestRandomSchedules(t *testing.T) {
	first, last := uint64(1), uint64(schedules)
	if seed := envSeed(t, 0); seed != 0 {
		first, last = seed, seed
	} else if testing.Short() {
		last = 20
	}
	var seen sync.Map
	for seed := first; seed <= last; seed++ {
		bubble.Run(t, func(t *testing.T) {
			if err := schedule(t, seed, &seen); err != nil {
				t.Errorf("SEED=%d: %v", seed, err)
			}
		})
	}
	if first != last {
		for _, kind := range trouble {
			n, _ := seen.Load(kind.name)
			t.Logf("%v: %v times", kind.name, n)
			if n == nil && !testing.Short() {
				t.Errorf("%s never happened", kind.name)
			}
		}
	}
}

// chaos is one random run's trouble, which also allows what it costs.
type chaos struct {
	*world
	rng     *rand.Rand
	tokens  *tokens
	mu      sync.Mutex // guards below
	next    *fault     // what goes wrong with the next request of its method
	method  string
	allowed int64 // bytes that may have been received twice
	remade  bool  // the copy vanished, or the file changed: it begins anew
}

// trouble is what can go wrong, by name.
var trouble = []struct {
	name string
	do   func(c *chaos)
}{
	{"cut", func(c *chaos) {
		c.link.Cut()
		c.sleep(5000)
		c.link.Heal()
	}},
	{"cut and told", func(c *chaos) {
		c.link.Cut()
		c.q.SetOnline(false)
		c.sleep(20_000)
		c.link.Heal()
		c.q.SetOnline(true)
		c.q.Kick()
	}},
	{"reset", func(c *chaos) { c.link.Reset() }},
	{"half open", func(c *chaos) { c.link.Strand(true, true) }},
	{"half open, answers lost", func(c *chaos) { c.link.Strand(false, true) }},
	{"lost POST", func(c *chaos) { c.fault(http.MethodPost, &fault{lose: true}) }},
	{"lost PATCH", func(c *chaos) { c.fault(http.MethodPatch, &fault{lose: true}) }},
	{"lost HEAD", func(c *chaos) { c.fault(http.MethodHead, &fault{lose: true}) }},
	{"broken PATCH", func(c *chaos) { c.fault(http.MethodPatch, &fault{after: 1 + c.rng.Int64N(200_000)}) }},
	{"conflict", func(c *chaos) { c.fault(http.MethodPatch, &fault{status: 409}) }},
	{"locked", func(c *chaos) { c.fault(http.MethodHead, &fault{status: 423}) }},
	{"busy", func(c *chaos) {
		c.fault(http.MethodPatch, &fault{status: 503, header: map[string]string{"Retry-After": "2"}})
	}},
	{"damaged", func(c *chaos) {
		if c.srv.algorithms != "" {
			c.fault(http.MethodPatch, &fault{corrupt: true})
		}
	}},
	{"too large", func(c *chaos) { c.fault(http.MethodPatch, &fault{status: 413}) }},
	{"forgotten bytes", func(c *chaos) {
		n := c.rng.Int64N(300_000)
		c.allow(n)
		c.fault(http.MethodHead, &fault{forget: n})
		c.link.Reset()
	}},
	{"token over", func(c *chaos) { c.srv.setToken(c.tokens.expire()) }},
	{"client killed", func(c *chaos) {
		c.restart(0)
	}},
	{"client off for long", func(c *chaos) { c.restart(c.rng.IntN(60_000)) }},
	{"server restart", func(c *chaos) {
		_ = c.http.Close()
		c.served.Wait()
		c.link.Reset()
		c.sleep(3000)
		c.serve()
	}},
	{"paused", func(c *chaos) {
		_ = c.q.Pause(context.Background(), id)
		c.sleep(3000)
		_ = c.q.Resume(context.Background(), id)
	}},
	{"file changed", func(c *chaos) {
		data := bytes.Clone(c.data)
		if c.rng.IntN(2) == 0 {
			data = data[:c.rng.IntN(len(data))]
		} else {
			data[c.rng.IntN(len(data))] ^= 1
		}
		u, _ := c.q.Get(id)
		if u.State.Settled() {
			return
		}
		c.remade = true
		c.data = data
		c.write(data)
	}},
	{"copy vanished", func(c *chaos) {
		c.remade = true
		c.fault(http.MethodHead, &fault{vanish: 404})
		c.link.Reset()
	}},
}

func (c *chaos) sleep(most int) { time.Sleep(time.Duration(c.rng.IntN(most)+1) * time.Millisecond) }

func (c *chaos) allow(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowed += n
}

// fault makes the next request of a method go wrong.
func (c *chaos) fault(method string, f *fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.method, c.next = method, f
}

// strike is the server's script.
func (c *chaos) strike(r *http.Request, _ *tusCopy) *fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil || r.Method != c.method {
		return nil
	}
	f := c.next
	c.next = nil
	if f.status == 413 && r.ContentLength <= 64<<10 {
		return nil // a server that refuses the smallest chunk is given up, rightly
	}
	return f
}

// restart ends the client's process and begins another one on what the store has.
func (c *chaos) restart(off int) {
	c.link.Reset() // a process that dies takes its connections along
	_ = c.q.Close()
	time.Sleep(time.Duration(off) * time.Millisecond)
	c.start()
}

// schedule is one run.
func schedule(t *testing.T, seed uint64, seen *sync.Map) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &chaos{rng: rng, tokens: &tokens{}}
	size := 1 + rng.IntN(2<<20)
	c.world = newWorld(t, size, func(w *world) {
		w.srv.script = c.strike
		w.slow(rate / 3)
		w.opts.HashFirst = int64(rng.IntN(2)*2-1) << 20
		w.srv.algorithms = []string{"", "", "sha256", "sha1", "sha256-prefix,sha256,sha1", "sha256-prefix"}[rng.IntN(6)]
		w.srv.token = "token-0"
		w.opts.Token = c.tokens
		w.opts.Rand = rand.New(rand.NewPCG(seed, 1))
	})
	if rng.IntN(3) == 0 {
		c.fault(http.MethodPost, &fault{lose: true})
	}
	if err := c.add(upload.Request{OnChange: upload.Restart}); err != nil {
		return err
	}
	troubles := 1 + rng.IntN(6)
	for i := range troubles {
		if i == 0 && rng.IntN(2) == 0 {
			c.sleep(500) // while it is being created
		} else {
			c.sleep(2000)
		}
		kind := trouble[rng.IntN(len(trouble))]
		n, _ := seen.LoadOrStore(kind.name, 0)
		seen.Store(kind.name, n.(int)+1)
		kind.do(c)
	}
	healed := time.Now()
	if err := c.done(); err != nil {
		return err
	}
	if u, _ := c.q.Get(id); u.DoneAt.Sub(healed) > 60*time.Second {
		return fmt.Errorf("done %v after the last trouble", u.DoneAt.Sub(healed))
	}
	return c.twice(troubles)
}

// inFlight is what one trouble may cost beside what the server counts as thrown away: the connection's buffer, the
// transport's, and what net/http's server reads of a body whose request it has answered.
const inFlight = 64<<10 + 64<<10 + 256<<10

// twice compares what the client sent with what there was to send.
func (c *chaos) twice(troubles int) error {
	c.mu.Lock()
	allowed := c.allowed
	c.mu.Unlock()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	allowed += int64(troubles)*inFlight + c.srv.discarded + int64(len(c.srv.log)+2*troubles)*1024 // and the requests' heads
	if more := c.written.Load() - int64(len(c.data)); more > allowed && !c.remade {
		return fmt.Errorf("%d bytes were sent twice, %d may be", more, allowed)
	}
	return nil
}

// tokens is a source of tokens that expire.
type tokens struct {
	mu      sync.Mutex // guards below
	n       int
	present string
	renewed int
	broken  error
}

// expire makes the present token useless and returns the one that is good from now on.
func (s *tokens) expire() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return fmt.Sprint("token-", s.n)
}

func (s *tokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.present == "" {
		s.present = "token-0"
	}
	return s.present, s.broken
}

func (s *tokens) Renew(_ context.Context, stale string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stale == "" {
		return "", errors.New("nothing to renew")
	}
	s.renewed++
	s.present = fmt.Sprint("token-", s.n)
	return s.present, s.broken
}

func (s *tusServer) setToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}
