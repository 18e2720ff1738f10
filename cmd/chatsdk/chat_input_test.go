package main

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseOp(t *testing.T) {
	for name, row := range map[string]struct {
		line string
		want op
		code string
	}{
		"send":         {line: `{"op":"send","channel":"general","text":"hi"}`, want: op{Op: "send", Channel: "general", Text: "hi"}},
		"send with id": {line: ` {"op":"send","channel":"a","text":"b","id":"c"} `, want: op{Op: "send", Channel: "a", Text: "b", ID: "c"}},
		"send as": {
			line: `{"op":"send","channel":"a","text":"b","account":"ada@http://a"}`,
			want: op{Op: "send", Channel: "a", Text: "b", Account: "ada@http://a"},
		},
		"cancel":         {line: `{"op":"cancel","id":"x"}`, want: op{Op: "cancel", ID: "x"}},
		"status":         {line: `{"op":"status"}`, want: op{Op: "status"}},
		"quit":           {line: `{"op":"quit"}`, want: op{Op: "quit"}},
		"nothing":        {line: ``, code: "bad_line"},
		"no object":      {line: `[]`, code: "bad_line"},
		"null":           {line: `null`, code: "bad_line"},
		"half an object": {line: `{"op":"quit"`, code: "bad_line"},
		"two objects":    {line: `{"op":"quit"}{"op":"quit"}`, code: "bad_line"},
		"unknown field":  {line: `{"op":"quit","when":"now"}`, code: "bad_line"},
		"wrong type":     {line: `{"op":1}`, code: "bad_line"},
		"not UTF-8":      {line: "{\"op\":\"send\",\"channel\":\"a\",\"text\":\"\xff\"}", code: "bad_line"},
		"no op":          {line: `{}`, code: "bad_line"},
		"unknown op":     {line: `{"op":"fly"}`, code: "unknown_op"},
		"upload":         {line: `{"op":"upload","channel":"a","path":"p"}`, want: op{Op: "upload", Channel: "a", Path: "p"}},
		"files":          {line: `{"op":"send","channel":"a","files":["p"]}`, want: op{Op: "send", Channel: "a", Files: []string{"p"}}},
		"upload of what": {line: `{"op":"upload","channel":"a"}`, code: "invalid_path"},
		"path in send":   {line: `{"op":"send","channel":"a","text":"x","path":"p"}`, code: "invalid_path"},
		"empty file":     {line: `{"op":"send","channel":"a","files":[""]}`, code: "invalid_path"},
		"no channel":     {line: `{"op":"send","text":"x"}`, code: "invalid_channel"},
		"bad channel":    {line: `{"op":"send","channel":"A b","text":"x"}`, code: "invalid_channel"},
		"attachments": {
			line: `{"op":"send","channel":"a","attachments":[{"id":"f"}]}`,
			want: op{Op: "send", Channel: "a", Attachments: []json.RawMessage{json.RawMessage(`{"id":"f"}`)}},
		},
		"no list":         {line: `{"op":"send","channel":"a","attachments":{}}`, code: "bad_line"},
		"null and null":   {line: `{"op":"send","channel":"a","attachments":null}`, code: "invalid_text"},
		"no text":         {line: `{"op":"send","channel":"a"}`, code: "invalid_text"},
		"cancel of what?": {line: `{"op":"cancel"}`, code: "invalid_id"},
	} {
		got, bad := parseOp([]byte(row.line))
		switch {
		case bad == nil && row.code != "" || bad != nil && bad.code != row.code:
			t.Errorf("%s: error %v, wanted code %q", name, bad, row.code)
		case bad == nil && !reflect.DeepEqual(got, row.want):
			t.Errorf("%s: %+v, wanted %+v", name, got, row.want)
		}
	}
}

func TestLinesAreBounded(t *testing.T) {
	longest := strings.Repeat("a", maxLine-1)
	r := newLineReader(strings.NewReader("one\r\n" + longest + "\n" + longest + "bc\n\n" + strings.Repeat("d", 3*maxLine) + "\nlast"))
	want := []struct {
		line string
		err  error
	}{{"one", nil}, {longest, nil}, {"", errLineTooLong}, {"", nil}, {"", errLineTooLong}, {"last", nil}, {"", io.EOF}}
	for i, w := range want {
		line, err := r.next()
		if string(line) != w.line || !errors.Is(err, w.err) {
			t.Fatalf("line %d: %d bytes, %v; wanted %d bytes, %v", i, len(line), err, len(w.line), w.err)
		}
	}
	r = newLineReader(strings.NewReader(strings.Repeat("e", 2*maxLine)))
	if _, err := r.next(); !errors.Is(err, errLineTooLong) {
		t.Fatalf("a long last line: %v", err)
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Fatalf("after a long last line: %v", err)
	}
}

// FuzzChatInput feeds the machine interface: whatever comes, what is taken can be sent, what isn't says why, and
// reading goes on to the end.
func FuzzChatInput(f *testing.F) {
	f.Add([]byte("{\"op\":\"send\",\"channel\":\"general\",\"text\":\"hi\"}\n{\"op\":\"quit\"}\n"))
	f.Add([]byte("{\"op\":\"send\",\"channel\":\"a\",\"text\":\"\\ud800\",\"id\":\"\\u0000\"}"))
	f.Add([]byte("null\n[]\n\"\n{\"op\":{}}\r\n{\"OP\":\"status\"}\n\xff\xfe\n"))
	f.Add([]byte(strings.Repeat("[", 20_000)))
	f.Add([]byte(strings.Repeat("a", maxLine) + "\n{\"op\":\"status\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newLineReader(strings.NewReader(string(data)))
		for lines := 0; ; lines++ {
			line, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if lines > len(data) {
				t.Fatal("more lines than bytes")
			}
			if err != nil {
				if !errors.Is(err, errLineTooLong) {
					t.Fatalf("unknown error %v", err)
				}
				continue
			}
			o, bad := parseOp(line)
			switch {
			case bad != nil:
				if bad.code == "" || bad.message == "" {
					t.Fatalf("%q is refused without a reason", line)
				}
			case o.Op == "send" && (!channelName.MatchString(o.Channel) || o.Text == "" && len(o.Attachments) == 0 || !utf8.ValidString(o.Text)):
				t.Fatalf("%q was taken as %+v", line, o)
			case o.Op == "cancel" && o.ID == "":
				t.Fatalf("%q was taken as %+v", line, o)
			}
		}
	})
}
