package accuracy

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Columns of a trace.
const (
	columnTime   = "t_ms"
	columnRTT    = "rtt_ms"
	columnLoss   = "loss_pct"
	columnOnline = "online"

	longestTraceRTT = 2 * time.Minute // what an estimator takes
	// latestTrace is a bound for a trace's own clock, in milliseconds: some day in 2255, far from where a Duration ends.
	latestTrace = 9e12
)

var errTraceSize = fmt.Errorf("trace is larger than %d MiB: cut it into parts", MaxTraceBytes>>20)

// ReadTrace reads a trace: CSV whose first line names the columns t_ms, rtt_ms, loss_pct and online, in any order. Others
// are left out, as are blank lines and those that begin with #. Without t_ms a row lasts TraceStep, without loss_pct nothing
// is lost, without online there is a network; rtt_ms has to be there. A row without a network (0 or false) needs no RTT.
// Of several rows with one time the last holds. An error names the line, and what is wrong with it.
func ReadTrace(r io.Reader) (Trace, error) {
	limited := &boundedReader{r: r, left: MaxTraceBytes}
	p := traceReader{csv: csv.NewReader(skipMark(limited))}
	p.csv.Comment, p.csv.FieldsPerRecord, p.csv.ReuseRecord, p.csv.TrimLeadingSpace = '#', -1, true, true
	t, err := p.read()
	switch {
	case limited.over:
		return Trace{}, errTraceSize
	case err != nil:
		return Trace{}, err
	}
	return t, nil
}

// skipMark leaves out the mark that some programs put before a text.
func skipMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = b.Discard(len(mark)) // they are there
	}
	return b
}

// boundedReader fails, where an io.LimitReader would end as if all had been read.
type boundedReader struct {
	r    io.Reader
	left int
	over bool
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		b.over = true
		return 0, errTraceSize
	}
	return n, err
}

// traceReader reads one trace.
type traceReader struct {
	csv    *csv.Reader
	header int
	column map[string]int // where each is, if it is there
	row    []string
	trace  Trace
}

func (p *traceReader) read() (Trace, error) {
	if err := p.readHeader(); err != nil {
		return Trace{}, err
	}
	for {
		if err := p.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Trace{}, err
		}
		if err := p.add(); err != nil {
			return Trace{}, err
		}
	}
	t := &p.trace
	n := len(t.Rows)
	if n == 0 {
		return Trace{}, errors.New("trace has a header and no row")
	}
	last := TraceStep
	if n > 1 {
		last = t.Rows[n-1].At - t.Rows[n-2].At
	}
	if t.Length = t.Rows[n-1].At + last; t.Length > MaxTraceLength {
		return Trace{}, fmt.Errorf("trace lasts %v, at most %v can be played: is %s in milliseconds?", t.Length, MaxTraceLength, columnTime)
	}
	return *t, nil
}

// next reads a record that isn't blank.
func (p *traceReader) next() (err error) {
	for {
		if p.row, err = p.csv.Read(); err != nil {
			var bad *csv.ParseError
			if errors.As(err, &bad) {
				return fmt.Errorf("line %d: %w", bad.Line, bad.Err)
			}
			return err
		}
		for i := range p.row {
			p.row[i] = strings.TrimSpace(p.row[i])
		}
		if len(p.row) > 1 || p.row[0] != "" {
			return nil
		}
	}
}

func (p *traceReader) readHeader() error {
	err := p.next()
	if errors.Is(err, io.EOF) {
		return errors.New("trace is empty: its first line names the columns, such as " + columnTime + "," + columnRTT + "," + columnLoss + "," + columnOnline)
	} else if err != nil {
		return err
	}
	p.header, p.column = len(p.row), map[string]int{}
	for i, name := range p.row {
		if _, twice := p.column[name]; twice && slices.Contains([]string{columnTime, columnRTT, columnLoss, columnOnline}, name) {
			return p.wrong("the column %s is there twice", name)
		}
		p.column[name] = i
	}
	if _, ok := p.column[columnRTT]; !ok {
		return p.wrong("there is no column %s, only %s", columnRTT, quoted(p.row))
	}
	return nil
}

// quoted lists names, as many as fit a line.
func quoted(names []string) string {
	const most, longest = 8, 30
	var out []string
	for i, name := range names {
		if i == most {
			out = append(out, "…")
			break
		}
		if len(name) > longest {
			name = name[:longest] + "…"
		}
		out = append(out, strconv.Quote(name))
	}
	return strings.Join(out, ", ")
}

// wrong is an error about the line that was read last.
func (p *traceReader) wrong(format string, args ...any) error {
	line, _ := p.csv.FieldPos(0)
	return fmt.Errorf("line %d: "+format, append([]any{line}, args...)...)
}

// add takes a row.
func (p *traceReader) add() error {
	if len(p.row) != p.header {
		return p.wrong("%d fields, the header has %d", len(p.row), p.header)
	}
	if len(p.trace.Rows) == MaxTraceRows {
		return p.wrong("a trace has at most %d rows: cut it into parts", MaxTraceRows)
	}
	row := TraceRow{At: time.Duration(len(p.trace.Rows)) * TraceStep}
	var err error
	if row.Online, err = p.online(); err != nil {
		return err
	}
	if row.RTT, err = p.roundTrip(row.Online); err != nil {
		return err
	}
	if row.Loss, err = p.loss(); err != nil {
		return err
	}
	return p.place(row)
}

// place gives a row its time.
func (p *traceReader) place(row TraceRow) error {
	t := &p.trace
	if _, ok := p.column[columnTime]; !ok {
		t.Rows = append(t.Rows, row)
		return nil
	}
	ms, err := p.number(columnTime)
	switch {
	case err != nil:
		return err
	case ms > latestTrace:
		return p.wrong("%s is %g, which is no time in milliseconds", columnTime, ms)
	}
	at := milliseconds(ms)
	n := len(t.Rows)
	if n == 0 {
		t.Start = at
	}
	row.At = at - t.Start
	switch {
	case n == 0 || row.At > t.Rows[n-1].At:
		t.Rows = append(t.Rows, row)
	case row.At == t.Rows[n-1].At:
		t.Rows[n-1] = row
	default:
		return p.wrong("%s is %g, before the row above: sort the rows by time", columnTime, ms)
	}
	return nil
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func (p *traceReader) online() (bool, error) {
	i, ok := p.column[columnOnline]
	if !ok {
		return true, nil
	}
	switch strings.ToLower(p.row[i]) {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, p.wrong("%s is %s: write 1 or 0", columnOnline, quoted(p.row[i:i+1]))
}

func (p *traceReader) roundTrip(online bool) (time.Duration, error) {
	if !online && p.row[p.column[columnRTT]] == "" {
		return 0, nil
	}
	ms, err := p.number(columnRTT)
	switch {
	case err != nil:
		return 0, err
	case ms > float64(longestTraceRTT/time.Millisecond):
		return 0, p.wrong("%s is %g, over %v: is it in milliseconds?", columnRTT, ms, longestTraceRTT)
	case online && ms < float64(time.Microsecond)/float64(time.Millisecond):
		return 0, p.wrong("%s is %g, which is no round trip: write online 0 where there was none", columnRTT, ms)
	}
	return milliseconds(ms), nil
}

func (p *traceReader) loss() (float64, error) {
	if _, ok := p.column[columnLoss]; !ok {
		return 0, nil
	}
	percent, err := p.number(columnLoss)
	switch {
	case err != nil:
		return 0, err
	case percent > 100:
		return 0, p.wrong("%s is %g: more than all can't be lost", columnLoss, percent)
	}
	return percent / 100, nil
}

// number reads one that isn't negative.
func (p *traceReader) number(column string) (float64, error) {
	text := p.row[p.column[column]]
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && text == "":
		return 0, p.wrong("%s is empty: a number is needed", column)
	case err != nil:
		return 0, p.wrong("%s is %s, which is no number", column, quoted([]string{text}))
	case math.IsNaN(x), math.IsInf(x, 0):
		return 0, p.wrong("%s is %s: leave out rows without a measurement, or give them online 0", column, quoted([]string{text}))
	case x < 0:
		return 0, p.wrong("%s is %g, and can't be negative", column, x)
	}
	return x, nil
}
