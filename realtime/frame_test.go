package realtime_test

import (
	"bytes"
	"testing"

	"github.com/chatsdk/chatsdk/realtime"
)

// FuzzFrame feeds a stranger's bytes to the decoder and to the owner, before and after the connect reply.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		"", "{}", "{}\n{}", "\n", "null", "[]", "{\"id\":1}", "{\"id\":4294967295}", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		`{"id":1,"connect":{"client":"x","ping":25,"pong":true,"ttl":4294967295,"expires":true,"subs":{"s":{"recoverable":true,"epoch":"e","offset":1}}}}`,
		`{"id":1,"error":{"code":109,"message":"token expired"}}`,
		`{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":3,"publications":[{"data":1,"offset":9},{"data":2,"offset":2}]}}`,
		`{"id":2,"error":{"code":105}}` + "\n" + `{"id":3,"error":{"code":112}}`,
		`{"push":{"channel":"a","pub":{"data":{},"offset":18446744073709551615}}}`,
		`{"push":{"channel":"a","unsubscribe":{"code":2502}}}`, `{"push":{"channel":"s","subscribe":{"recoverable":true,"offset":1}}}`,
		`{"push":{"disconnect":{"code":3014,"reason":"x"}}}`, `{"push":{"disconnect":{"code":4001,"reason":"retry-after-ms=99999999999"}}}`,
		`{"push":null}`, `{"push":{}}`, `{"id":1,"connect":null}`, `{"id":1,"connect":{"subs":{"a":null}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, p := range []realtime.Protocol{realtime.JSON, realtime.Protobuf} {
			for _, up := range []bool{false, true} {
				if err := realtime.FeedFrames(p, up, frame, frame); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestPackKeepsOrderAndLimits(t *testing.T) {
	var cmds [][]byte
	for i := range 300 {
		cmds = append(cmds, bytes.Repeat([]byte{byte('a' + i%26)}, 1000))
	}
	frames := realtime.Pack(realtime.JSON, cmds, 60<<10, 128)
	var all [][]byte
	for _, f := range frames {
		if len(f) > 60<<10 {
			t.Errorf("frame of %d bytes", len(f))
		}
		all = append(all, bytes.Split(f, []byte("\n"))...)
	}
	if len(frames) != 5 || len(all) != len(cmds) {
		t.Fatalf("%d frames with %d commands", len(frames), len(all))
	}
	for i := range cmds {
		if !bytes.Equal(all[i], cmds[i]) {
			t.Fatalf("command %d is out of order", i)
		}
	}
	small := realtime.Pack(realtime.JSON, [][]byte{{'1'}, {'2'}, {'3'}}, 60<<10, 2)
	if len(small) != 2 || string(small[0]) != "1\n2" || string(small[1]) != "3" {
		t.Errorf("count limit: %q", small)
	}
}
