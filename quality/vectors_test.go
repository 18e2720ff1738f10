package quality_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// The estimator of web/packages/core is a second one, in TypeScript. What holds both equal is this: both play the same
// random traces, made from a seed by the same few integers (trace, here and in web/packages/core/test/trace.ts), and this
// one writes what it answered, which the other one has to answer too.

var update = flag.Bool("update", false, "write the vectors for web/packages/core anew")

var vectorsFile = filepath.Join("..", "web", "packages", "core", "test", "vectors", "quality.json.gz")

const (
	vectorTraces = 2000
	// vectorDigits are compared of each sum: what exp and log give may differ in the last digits from one machine, or
	// language, to the other, and times are cut off to whole nanoseconds after that.
	vectorDigits = 1e-11
)

// vectors is what the file holds.
type vectors struct {
	// States are all that a trace may answer: refusal, level, reach, reason, and the probe that is wanted.
	States []string `json:"states"`
	// Sums are the names of the numbers.
	Sums   []string      `json:"sums"`
	Traces []vectorTrace `json:"traces"`
}

// vectorTrace is what one trace answered; its seed is its index.
type vectorTrace struct {
	// States has a character for each answer, by its place in vectors.States, from U+0023 on.
	States string `json:"states"`
	// Sums are each number's sum over all answers.
	Sums []json.Number `json:"sums"`
}

func TestVectors(t *testing.T) {
	v := makeVectors()
	if *update {
		if err := writeVectors(v); err != nil {
			t.Fatal(err)
		}
	}
	held, err := readVectors()
	if err != nil {
		t.Fatalf("%v; write it by: go test ./quality -run TestVectors -update", err)
	}
	if err := held.differ(v); err != nil {
		t.Fatalf("%s is stale: %v; go test ./quality -run TestVectors -update, and see that web's tests pass", vectorsFile, err)
	}
}

// TestVectorsFindMistakes holds that the traces show the mistakes that a second estimator could make as well.
func TestVectorsFindMistakes(t *testing.T) {
	for name, bug := range map[string]quality.Bug{
		"timeouts": quality.BugTimeoutsLost, "set-up": quality.BugHandshakeRTT, "hysteresis": quality.BugNoHysteresis,
		"sleep": quality.BugSleepSilence, "change": quality.BugNoChangePoint, "refusal": quality.BugErrorOffline,
		"portal": quality.BugPortalOnline, "age": quality.BugNoAge, "outage": quality.BugOutageRTT,
	} {
		differ := 0
		const n = 100
		for seed := range uint32(n) {
			right := playTrace(seed)
			quality.Plant(bug)
			wrong := playTrace(seed)
			quality.Plant(quality.BugNone)
			if right.differs(wrong) {
				differ++
			}
		}
		if t.Logf("%s: %d of %d traces", name, differ, n); differ < n/20 {
			t.Errorf("%s: seen by %d of %d traces", name, differ, n)
		}
	}
}

// TestVectorsCoverEverything holds that the traces reach all that a page can see.
func TestVectorsCoverEverything(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint32(300) {
		for _, p := range playTrace(seed).points {
			if (p.level == quality.Offline) != (p.reach == quality.ReachOffline) {
				t.Fatalf("trace %d: %s", seed, p)
			}
			for i, word := range []string{p.refused.String(), p.level.String(), p.reach.String(), string(p.reason), p.probe} {
				seen[strconv.Itoa(i)+word] = true
			}
		}
	}
	for i, words := range [][]string{
		{"taken", "kind", "clock", "rtt", "full", "id"},
		{"unknown", "excellent", "good", "fair", "poor", "offline"},
		{"unknown", "online", "captive", "server-down", "offline"},
		{
			"start", "rtt", "loss", "load", "measuring", "network changed", "silence", "unreachable", "link down", "portal",
			"refused", "server error", "evidence too old",
		},
		{"", "start", "start fresh", "spacing", "confirm", "confirm fresh", "return fresh"},
	} {
		for _, word := range words {
			if !seen[strconv.Itoa(i)+word] {
				t.Errorf("no trace shows %q", word)
			}
		}
	}
}

func makeVectors() vectors {
	v := vectors{Sums: traceSums}
	places := make(map[string]rune)
	for seed := range uint32(vectorTraces) {
		tr := playTrace(seed)
		var states []rune
		for _, p := range tr.points {
			at, known := places[p.String()]
			if !known {
				at = '#' + rune(len(places))
				places[p.String()] = at
				v.States = append(v.States, p.String())
			}
			states = append(states, at)
		}
		out := vectorTrace{States: string(states)}
		for _, sum := range tr.sums {
			out.Sums = append(out.Sums, json.Number(strconv.FormatFloat(sum, 'g', 13, 64)))
		}
		v.Traces = append(v.Traces, out)
	}
	return v
}

// differ says where what the file holds isn't what is answered now.
func (v vectors) differ(now vectors) error {
	if len(v.Traces) != len(now.Traces) || fmt.Sprint(v.States, v.Sums) != fmt.Sprint(now.States, now.Sums) {
		return fmt.Errorf("%d traces of %d states, want %d of %d", len(v.Traces), len(v.States), len(now.Traces), len(now.States))
	}
	for seed, held := range v.Traces {
		if held.States != now.Traces[seed].States {
			return fmt.Errorf("trace %d answers otherwise", seed)
		}
		for i, sum := range held.Sums {
			a, errA := sum.Float64()
			b, errB := now.Traces[seed].Sums[i].Float64()
			slack := float64(len(held.States)) // a nanosecond for each time that was cut off
			if !traceInNs[v.Sums[i]] {
				slack *= 1e-14
			}
			if errA != nil || errB != nil || math.Abs(a-b) > vectorDigits*math.Abs(b)+slack {
				return fmt.Errorf("trace %d: the sum of %s is %v, was %v", seed, v.Sums[i], b, a)
			}
		}
	}
	return nil
}

func writeVectors(v vectors) error {
	var text bytes.Buffer
	zip, err := gzip.NewWriterLevel(&text, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(zip).Encode(v); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(vectorsFile), 0o755); err != nil {
		return err
	}
	return os.WriteFile(vectorsFile, text.Bytes(), 0o644)
}

func readVectors() (v vectors, err error) {
	file, err := os.Open(vectorsFile)
	if err != nil {
		return v, err
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		return v, err
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(text, &v)
}

// point is what one question is answered with.
type point struct {
	refused quality.Refusal
	level   quality.Level
	reach   quality.Reach
	reason  quality.Reason
	probe   string
}

// String is a point in the file.
func (p point) String() string {
	return fmt.Sprintf("%s|%s|%s|%s|%s", p.refused, p.level, p.reach, p.reason, p.probe)
}

var traceSums = []string{
	"rtt", "variation", "tail", "loaded", "share", "low", "high", "answers", "confidence", "age", "since", "next",
}

var traceInNs = map[string]bool{
	"rtt": true, "variation": true, "tail": true, "loaded": true, "age": true, "since": true, "next": true,
}

func (t *trace) differs(other *trace) bool {
	if len(t.points) != len(other.points) {
		return true
	}
	for i, p := range t.points {
		if p != other.points[i] {
			return true
		}
	}
	return false
}

// ask asks for everything, and keeps it.
func (t *trace) ask(refused quality.Refusal) {
	r := t.e.Report(t.at(t.now))
	p := point{refused: refused, level: r.Level, reach: r.Reach, reason: r.Reason}
	if probe, want := t.e.WantProbe(t.at(t.now)); want {
		if p.probe = string(probe.Why); probe.Fresh {
			p.probe += " fresh"
		}
		t.want, t.wantFresh = true, probe.Fresh
	} else {
		t.want = false
	}
	t.next = t.e.Next(t.at(t.now)).Sub(noon)
	t.points = append(t.points, p)
	since := time.Duration(0)
	if !r.Since.IsZero() {
		since = r.Since.Sub(noon)
	}
	for i, x := range []float64{
		float64(r.RTT.Median), float64(r.RTT.Variation), float64(r.RTT.Tail), float64(r.RTT.Loaded),
		r.Loss.Share, r.Loss.Low, r.Loss.High, float64(r.Loss.Segments), r.Confidence,
		float64(r.Age), float64(since), float64(t.next - t.now),
	} {
		t.sums[i] += x
	}
}

func (t *trace) at(ns time.Duration) time.Time { return noon.Add(ns) }
