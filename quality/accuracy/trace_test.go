package accuracy_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/chatsdk/chatsdk/quality/accuracy"
)

var update = flag.Bool("update", false, "write the traces of testdata anew")

// ourTraces are those of testdata, by name.
var ourTraces = map[string]func() []byte{
	"latency-blackout.csv": latencyBlackout,
	"cell.csv":             cell,
	"lossy.csv":            lossy,
}

// latencyBlackout is 5 minutes with a row each second: every class of latency, and a blackout of 30 s.
func latencyBlackout() []byte {
	var b bytes.Buffer
	r := rand.New(rand.NewPCG(1, 1))
	b.WriteString("# made by trace_test.go: classes of latency and a blackout\nt_ms,rtt_ms,loss_pct,online\n")
	for sec := range 300 {
		rtt, online := [...]float64{28, 95, 95, 210, 28, 620}[sec/50], 1
		if sec >= 110 && sec < 140 {
			online = 0
		}
		fmt.Fprintf(&b, "%d,%.1f,0,%d\n", 1000*sec, rtt*(1+0.08*(2*r.Float64()-1)), online)
	}
	return b.Bytes()
}

// cell has the columns of traces of cellular networks: rows of 70 ms without times, and columns that mean nothing here. It
// wanders from good to poor and back, with some loss.
func cell() []byte {
	var b bytes.Buffer
	r := rand.New(rand.NewPCG(2, 1))
	b.WriteString("# made by trace_test.go; one row = 70 ms\nrtt_ms,rate_kbit,gap_s,loss_pct\n")
	for i := range 900 {
		usual := 180 * math.Exp(math.Sin(2*math.Pi*float64(i)/900))
		loss := 0.0
		if r.IntN(10) == 0 {
			loss = 10 * r.Float64()
		}
		fmt.Fprintf(&b, "%.2f,%.1f,%.2f,%.4f\n", usual*math.Exp(0.2*r.NormFloat64()), 200+2000*r.Float64(), r.Float64(), loss)
	}
	return b.Bytes()
}

// lossy has other columns first, in another order, and half of all segments lost at times.
func lossy() []byte {
	var b bytes.Buffer
	b.WriteString("# made by trace_test.go: from none lost to half\ncell,loss_pct,t_ms,rtt_ms\n")
	for i := range 60 {
		fmt.Fprintf(&b, "a%d,%d,%d,%d\n", i, [...]int{0, 2, 50}[i/20], 5000+2000*i, 40)
	}
	return b.Bytes()
}

func TestOurTracesAreThoseWeMake(t *testing.T) {
	for name, produce := range ourTraces {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, produce(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, produce()) {
			t.Errorf("%s isn't what is made of it here (%v): run go test ./quality/accuracy -run OurTraces -update", name, err)
		}
	}
}

func TestReadTrace(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		text string
		want accuracy.Trace
	}{
		"rows of 70 ms": {"rtt_ms,loss_pct\n20,1\n30.5,0\n", accuracy.Trace{Length: 140 * ms, Rows: []accuracy.TraceRow{
			{RTT: 20 * ms, Loss: 0.01, Online: true},
			{At: 70 * ms, RTT: 30500 * time.Microsecond, Online: true},
		}}},
		"any order, others, blanks and comments": {
			"# a\n\nx, online ,loss_pct, t_ms,rtt_ms\r\n\"a,b\",TRUE,100,500,20\r\n# b\n  \nc,0,0,1500,\n",
			accuracy.Trace{Start: 500 * ms, Length: 2 * time.Second, Rows: []accuracy.TraceRow{
				{RTT: 20 * ms, Loss: 1, Online: true}, {At: time.Second},
			}},
		},
		"one row, and a mark before it": {"\ufeffrtt_ms\n5", accuracy.Trace{Length: 70 * ms, Rows: []accuracy.TraceRow{{RTT: 5 * ms, Online: true}}}},
		"the last of a time holds": {"t_ms,rtt_ms\n0,5\n9,6\n9,7\n", accuracy.Trace{Length: 18 * ms, Rows: []accuracy.TraceRow{
			{RTT: 5 * ms, Online: true}, {At: 9 * ms, RTT: 7 * ms, Online: true},
		}}},
	} {
		for _, wrapped := range []struct {
			how string
			of  *strings.Reader
		}{{"at once", strings.NewReader(c.text)}, {"byte by byte", strings.NewReader(c.text)}} {
			r := iotest.DataErrReader(wrapped.of)
			if wrapped.how != "at once" {
				r = iotest.OneByteReader(wrapped.of)
			}
			if got, err := accuracy.ReadTrace(r); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, %s: %v\n got %+v\nwant %+v", name, wrapped.how, err, got, c.want)
			}
		}
	}
}

func TestBadTraces(t *testing.T) {
	const head = "t_ms,rtt_ms,loss_pct,online\n"
	for text, want := range map[string]string{
		"":                               "trace is empty: its first line names the columns, such as t_ms,",
		"# nothing\n":                    "trace is empty",
		head:                             "a header and no row",
		"t_ms,rtt\n1,2\n":                `line 1: there is no column rtt_ms, only "t_ms", "rtt"`,
		"1,2,3\n4,5,6\n":                 `there is no column rtt_ms, only "1", "2", "3"`,
		"rtt_ms,rtt_ms\n1,2\n":           "line 1: the column rtt_ms is there twice",
		head + "0,20,0,1\n\n1,20,0\n":    "line 4: 3 fields, the header has 4",
		head + "0,20,0,1,9\n":            "line 2: 5 fields, the header has 4",
		head + "0,NaN,0,1\n":             `line 2: rtt_ms is "NaN": leave out rows`,
		head + "0,20,nan,1\n":            `line 2: loss_pct is "nan"`,
		head + "0,inf,0,1\n":             `line 2: rtt_ms is "inf"`,
		head + "+Inf,20,0,1\n":           `line 2: t_ms is "+Inf"`,
		head + "0,-1,0,1\n":              "line 2: rtt_ms is -1, and can't be negative",
		head + "0,20,-0.5,1\n":           "line 2: loss_pct is -0.5",
		head + "-5,20,0,1\n":             "line 2: t_ms is -5",
		head + "0,20,100.1,1\n":          "line 2: loss_pct is 100.1: more than all",
		head + "0,120001,0,1\n":          "line 2: rtt_ms is 120001, over 2m0s: is it in milliseconds?",
		head + "0,0,0,1\n":               "line 2: rtt_ms is 0, which is no round trip",
		head + "0,,0,1\n":                "line 2: rtt_ms is empty: a number",
		head + "0,fast,0,1\n":            `line 2: rtt_ms is "fast", which is no number`,
		head + "0,1e999,0,1\n":           "line 2: rtt_ms is",
		head + "0,20,0,yes\n":            `line 2: online is "yes": write 1 or 0`,
		head + "5,20,0,1\n4,20,0,1\n":    "line 3: t_ms is 4, before the row above: sort",
		head + "1e300,20,0,1\n":          "line 2: t_ms is 1e+300, which is no time",
		head + "0,20,0,1\n1e9,20,0,1\n":  "at most 168h0m0s can be played: is t_ms in milliseconds?",
		head + "0,2\"0,0,1\n":            "line 2: bare \"",
		head + "0,20,0,1\n0,20,0,\"1\n":  "line 3: ",
		"a,b,c,d,e,f,g,h,i,j\n":          `"h", …`,
		strings.Repeat("x", 5000) + "\n": `xxx…"`,
	} {
		if _, err := accuracy.ReadTrace(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	if _, err := accuracy.ReadTrace(iotest.ErrReader(os.ErrPermission)); err == nil || !strings.Contains(err.Error(), "permission") {
		t.Errorf("a reader that fails: %v", err)
	}
}

func TestTracesAreBounded(t *testing.T) {
	many := strings.NewReader("rtt_ms\n" + strings.Repeat("5\n", accuracy.MaxTraceRows))
	trace, err := accuracy.ReadTrace(many)
	if err != nil || len(trace.Rows) != accuracy.MaxTraceRows {
		t.Errorf("as many rows as may be: %d, %v", len(trace.Rows), err)
	}
	for name, c := range map[string]struct{ row, want string }{
		"rows":  {"5\n", "line 1000002: a trace has at most 1000000 rows"},
		"bytes": {"# a comment that goes on and on and on\n", "larger than 64 MiB"},
		"line":  {"xxxxxxxxxxxxxxxx", "larger than 64 MiB"},
	} {
		if _, err := accuracy.ReadTrace(&endless{head: "rtt_ms\n", then: c.row}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("endless %s: %v, want %q", name, err, c.want)
		}
	}
}

// endless is a header, and then the same for ever.
type endless struct {
	head, then string
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if e.head == "" {
			e.head = e.then
		}
		k := copy(p[n:], e.head)
		n, e.head = n+k, e.head[k:]
	}
	return n, nil
}

// FuzzReadTrace reads and plays whatever comes: no panic, and nothing that can't be.
func FuzzReadTrace(f *testing.F) {
	for _, produce := range ourTraces {
		f.Add(produce()[:400])
	}
	f.Add([]byte("t_ms,rtt_ms,loss_pct,online\n0,120000,99.9,1\n1e3,0.001,100,true\n3e3,,0,0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := accuracy.ReadTrace(bytes.NewReader(text))
		if err != nil {
			return
		}
		if len(trace.Rows) == 0 || trace.Length <= 0 || trace.Start < 0 {
			t.Fatalf("%+v", trace)
		}
		for i, r := range trace.Rows {
			if r.RTT < 0 || r.RTT > 2*time.Minute || r.Online && r.RTT <= 0 || !(r.Loss >= 0 && r.Loss <= 1) || i > 0 && r.At <= trace.Rows[i-1].At {
				t.Fatalf("row %d: %+v", i, r)
			}
		}
		if trace.Length > time.Hour {
			return // takes too long
		}
		if _, err := accuracy.Replay(trace, accuracy.ReplayOptions{}, checkPoint); err != nil {
			t.Fatal(err)
		}
	})
}

// checkPoint says what is wrong with a point.
func checkPoint(p accuracy.Point) error {
	if !(p.Confidence >= 0 && p.Confidence <= 1) {
		return fmt.Errorf("at %v ms a confidence of %v", p.TMs, p.Confidence)
	}
	return nil
}
