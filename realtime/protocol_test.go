// The points of the protocol that a client written from scratch has to get right, and the tests that hold them.
// "real" is the centrifuge server, "fake" the scripted one of fake_test.go, "pure" needs neither.
//
//	 1 JSON framing, newlines, empty lines    TestPoint01_JSONFraming (fake), TestPoint01_RealServerTakesOurFrames,
//	                                          FuzzFrame (pure)
//	 2 protobuf framing and subprotocol       TestPoint02_Protobuf (real, fake), TestResetRecoversInThreeRoundTrips (real)
//	 3 last reply with EOF, no reused buffer  TestPoint03_DataIsKept (real)
//	 4 large frames in, split frames out      TestPoint04_LargeFrames (real), TestPoint04_BatchIsSplit (fake),
//	                                          TestPoint04_RealServerTakesTheSplit, TestPackKeepsOrderAndLimits (pure)
//	 5 dictionary compression is off          TestPoint05_31_32_33_NothingIsAskedThatIsNotUnderstood (fake)
//	 6 connect comes first                    TestPoint06_07_FirstCommandAndIDs (fake)
//	 7 ids                                    TestPoint06_07_FirstCommandAndIDs (fake)
//	 8 one pong for each ping                 TestPoint08_OnePongForEachPing, TestPoint08_PongGoesToWhoPinged (fake),
//	                                          TestPoint09_10_NoPingCommand (real)
//	 9 never the ping command                 TestPoint09_10_NoPingCommand (real, fake)
//	10 liveness without server pings          TestPoint09_10_NoPingCommand (fake), TestSilentLink (real)
//	11 connect error: the client closes       TestPoint11_12_ConnectError (fake)
//	12 optimistic batch                       TestPoint11_12_ConnectError (fake),
//	                                          TestPoint12_UnsubscribeBeforeTheConnectReply (real)
//	13 no answer, rubbish, another protocol   TestPoint13_* (fake), TestAcceptThenHang (real), TestUpgradeAnswers (pure)
//	14 stale close, token beside the dial     TestPoint14_SlowToken, TestHungTokenSource, TestTokenIsFetchedBesideTheDial
//	                                          (real), TestPoint16_DisconnectCodes for 3502 (fake)
//	15 error codes                            TestPoint15_* (fake), TestConnectCodes (pure), TestTokenRefusedForEver (real)
//	16 disconnect codes, frame and push       TestPoint16_DisconnectCodes, TestPoint16_InvalidToken (fake), TestCloseCodes
//	                                          (pure), TestTerminalCode, TestServerDelayIsObeyed (real)
//	17 JSON in the close reason               TestPoint17_ReasonIsNoCommand (fake)
//	18 unsubscribe pushes                     TestPoint18_UnsubscribePushes (real), TestPoint18_StateInvalidated (fake)
//	19 state invalidated                      TestPoint19_StateInvalidated, TestPoint18_StateInvalidated (fake)
//	20 when to ask for recovery               TestPoint20_RecoversOnlyWhatIsRecoverable (fake)
//	21 the position follows delivery          TestPoint21_PositionFollowsDelivery (real), TestPoint21_TopAsOffset (fake)
//	22 not recovered                          TestPoint22_NotRecovered (real), TestPoint22_ServerLostItsData (fake)
//	23 position moves before the handler      TestPoint23_ResubscribingInsideTheHandlerRepeatsNothing (real)
//	24 nothing after the end                  TestPoint24_NothingAfterTheEnd (fake)
//	25 gaps, duplicates, no offset            TestPoint25_GapIsRecovered, TestPoint25_NoFalseGap (fake)
//	26 epochs                                 TestPoint26_Epochs, TestPoint26_AnotherEpoch (fake)
//	27 server-side subscriptions              TestPoint27_ServerSideSubscriptions (real), TestPoint27_PositionsMoveUnheard
//	                                          (fake)
//	28 subscribe, unsubscribe unanswered      TestPoint28_UnansweredSubscribe (fake)
//	29 stale replies, flags of dead links     TestPoint29_LateReplyOfACancelledSubscribe (fake),
//	                                          TestPoint29_StormOfSubscriptions (real)
//	30 removal by identity                    TestPoint30_UnsubscribeByIdentity (real)
//	31 http-stream and SSE are off            TestPoint05_31_32_33_NothingIsAskedThatIsNotUnderstood (fake)
//	32 delta is off                           TestPoint05_31_32_33_NothingIsAskedThatIsNotUnderstood (fake)
//	33 compaction is off                      TestPoint05_31_32_33_NothingIsAskedThatIsNotUnderstood (fake)
//	34 token fetch of a former session        TestPoint34_UserSwitch (fake)
//	35 the token of the moment                TestPoint35_TokenOfTheMoment (fake)
//	36 ttl                                    TestPoint36_LongAndShortLives (fake), TestTokenIsRefreshedInTime (real),
//	                                          TestRefreshMarginFitsTheLifetime (pure)
//	37 empty token, unauthorized, 109         TestPoint37_EmptyTokenIsValid (fake), TestUnauthorizedIsFinal,
//	                                          TestTokenExpiredIsRenewedAtOnce, TestTokenRefusedForEver (real)
//	38 no user code on the reader             TestPoint38_HandlersHoldNothingUp (fake), TestSlowHandler,
//	                                          TestCloseInsideBusyHandler (real), TestBusyHandlerAndManyConnections (fake)
//	39 every call settles once                TestPoint39_CallsSettleOnce (real), TestPoint39_DoubledAnswers (fake),
//	                                          TestCloseAtAnyMoment, TestRPCDuringReset (real)
//	40 late timers                            TestPoint40_DataWaitsInTheSocket, TestWake* (real),
//	                                          TestOverdueTimerGivesOneChance, TestSleepIsNoticed (pure)
//	41 ambiguous calls, no publish command    TestPoint41_AmbiguousCalls (fake)
//	42 panicking handlers                     TestPoint42_PanicsStopNothing (fake), TestPanickingHandler (real)
//
// Malformed and oversized frames on a live connection: TestBadFramesCostAReconnect.

package realtime_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestPoint01_JSONFraming: several replies in a frame, newlines in all the places where some servers put them, and no
// newline inside a command of ours.
func TestPoint01_JSONFraming(t *testing.T) {
	for _, sep := range []string{"\n", "\n\n", "\r\n", " \n \n "} {
		bubble.Run(t, func(t *testing.T) {
			connect := `{"id":1,"connect":{"client":"x","ping":25,"pong":true}}`
			subscribe := `{"id":2,"subscribe":{"recoverable":true,"epoch":"e1"}}`
			pubs := `{"push":{"channel":"room","pub":{"data":1,"offset":1}}}` + sep + `{"push":{"channel":"room","pub":{"data":2,"offset":2}}}`
			k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					if c.Subscribe != nil {
						s.raw(connect + sep + subscribe + sep + pubs + sep)
					}
					return c.Connect != nil || c.Subscribe != nil
				}
			})
			f.settled(time.Now())
			if _, err := f.RPC(t.Context(), "x", []byte("{\n\"a\":\r\n 1\n}")); err != nil {
				t.Error(err)
			}
			f.expect(2)
			for _, frame := range k.last().frames {
				for line := range bytes.SplitSeq(frame, []byte("\n")) {
					if len(bytes.TrimSpace(line)) == 0 {
						t.Errorf("empty line in %q", frame)
					}
				}
			}
			if st := f.Stats(); st.Connects != 1 || st.Gaps != 0 {
				t.Errorf("%q: %+v", sep, st)
			}
		})
	}
}

// TestPoint01_RealServerTakesOurFrames sends data with newlines in it: an empty line would end the connection for good.
func TestPoint01_RealServerTakesOurFrames(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, _, f := start(t, 100*ms, realtime.Options{Data: []byte("{\n\n\"v\": 1\n}\n")})
		data, err := f.RPC(t.Context(), "echo", []byte("{\n\n\"a\":\n[1,\n\n2]}\n\n"))
		if got := string(bytes.ReplaceAll(data, []byte("\n"), nil)); err != nil || got != `{"a":[1,2]}` {
			t.Errorf("%s, %v", got, err)
		}
		if st := f.Stats(); st.Connects != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestPoint02_Protobuf carries bytes that are no JSON, and asks for the subprotocol.
func TestPoint02_Protobuf(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, w, f := start(t, 100*ms, realtime.Options{Protocol: realtime.Protobuf})
		want := []byte("\x00\n\xff{")
		if data, err := f.RPC(t.Context(), "echo", want); err != nil || !bytes.Equal(data, want) {
			t.Errorf("%q, %v", data, err)
		}
		for range 3 {
			w.publish("room")
		}
		time.Sleep(time.Second)
		f.expect(3)
	})
	for p, want := range map[realtime.Protocol]string{realtime.JSON: "centrifuge-json", realtime.Protobuf: "centrifuge-protobuf"} {
		bubble.Run(t, func(t *testing.T) {
			k, _ := fakeWorld(t, realtime.Options{Protocol: p}, func(k *fake) {
				k.http = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusTeapot); return true }
			})
			time.Sleep(time.Second)
			k.mu.Lock()
			defer k.mu.Unlock()
			if r := k.requests[0]; r.Header.Get("Sec-WebSocket-Protocol") != want || (r.URL.Query().Get("cf_protocol") == "protobuf") != (p == realtime.Protobuf) {
				t.Errorf("%v: asked for %q at %v", p, r.Header.Get("Sec-WebSocket-Protocol"), r.URL)
			}
		})
	}
}

// TestPoint03_DataIsKept: the last reply of a frame comes with the end of the frame, and what was handed over isn't
// overwritten by later frames.
func TestPoint03_DataIsKept(t *testing.T) {
	for _, p := range []realtime.Protocol{realtime.JSON, realtime.Protobuf} {
		bubble.Run(t, func(t *testing.T) {
			_, w, f := start(t, 100*ms, realtime.Options{Protocol: p})
			r := f.record("other")
			time.Sleep(time.Second)
			var want []string
			for i := range 2000 {
				want = append(want, fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", i%50)))
				if _, err := w.node.Publish("other", []byte(want[i]), centrifuge.WithHistory(10000, time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
			if got := r.data(); !slices.Equal(got, want) {
				t.Errorf("%d publications came, and not what was sent", len(got))
			}
		})
	}
}

// TestPoint04_LargeFrames recovers almost a megabyte in one reply, far above a WebSocket library's usual 32 KiB.
func TestPoint04_LargeFrames(t *testing.T) {
	for _, p := range []realtime.Protocol{realtime.JSON, realtime.Protobuf} {
		bubble.Run(t, func(t *testing.T) {
			n, w, f := start(t, 100*ms, realtime.Options{Protocol: p})
			r := f.record("big")
			time.Sleep(10 * time.Second)
			publish := func(size int) {
				if _, err := w.node.Publish("big", []byte(`"`+strings.Repeat("x", size)+`"`), centrifuge.WithHistory(1000, time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			publish(500_000)
			time.Sleep(5 * time.Second)
			fault := time.Now()
			n.Reset()
			for range 95 {
				publish(10_000)
			}
			f.settled(fault)
			time.Sleep(5 * time.Second)
			sum := 0
			for _, d := range r.data() {
				sum += len(d)
			}
			if got := len(r.data()); got != 96 || sum != 500_002+95*10_002 || f.Stats().Connects != 2 {
				t.Errorf("%d publications with %d bytes, %+v", got, sum, f.Stats())
			}
		})
	}
}

// TestPoint04_BatchIsSplit connects with more subscriptions than a frame takes, in bytes and in number.
func TestPoint04_BatchIsSplit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, nil)
		var r recorder
		for i := range 600 {
			if _, err := f.Subscribe(fmt.Sprintf("%0250d", i), realtime.SubscribeOptions{OnEvent: r.on}); err != nil {
				t.Fatal(err)
			}
		}
		f.settled(time.Now())
		fault := time.Now()
		k.net.Reset()
		if d := f.caughtUp(fault, time.Minute); d > 310*ms {
			t.Errorf("caught up after %v, want 3 RTT", d)
		}
		time.Sleep(time.Second)
		if got := len(r.of(realtime.EventSubscribed)); got != 1200 {
			t.Errorf("%d subscribed events, want 1200", got)
		}
		s := k.last()
		for i, frame := range s.frames {
			if n := bytes.Count(frame, []byte("\n")) + 1; len(frame) > 60<<10 || n > 128 {
				t.Errorf("frame %d has %d bytes and %d commands", i, len(frame), n)
			}
		}
		if len(s.frames) != 5 {
			t.Errorf("%d frames for 602 commands, want 5", len(s.frames))
		}
	})
}

// TestPoint04_RealServerTakesTheSplit: more than its 64 KiB in one frame would end the connection.
func TestPoint04_RealServerTakesTheSplit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{Data: []byte(`"` + strings.Repeat("x", 25<<10) + `"`)})
		defer f.close()
		var r recorder
		for i := range 127 {
			if _, err := f.Subscribe(fmt.Sprintf("%0250d", i), realtime.SubscribeOptions{OnEvent: r.on}); err != nil {
				t.Fatal(err)
			}
		}
		f.settled(time.Now())
		time.Sleep(time.Second)
		if got := len(r.of(realtime.EventSubscribed)); got != 127 || f.Stats().Connects != 1 {
			t.Errorf("%d subscribed, %+v", got, f.Stats())
		}
	})
}

// TestPoint05_31_32_33_NothingIsAskedThatIsNotUnderstood: no dictionary compression, no delta, no compaction and no
// transport but the WebSocket, whatever goes wrong.
func TestPoint05_31_32_33_NothingIsAskedThatIsNotUnderstood(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{Token: &tokens{}}, nil)
		f.settled(time.Now())
		random := rand.New(rand.NewPCG(5, 6))
		for i := range 30 {
			s := k.last()
			begin := time.Now()
			switch i % 6 {
			case 0:
				s.reply(pushDisconnect(3014, ""))
			case 1:
				s.reply(pushUnsubscribe("room", 2502))
			case 2:
				k.net.Reset()
			case 3:
				k.set(func() { k.tops["room"] += 5 })
				s.reply(pushPub("room", pub(k.tops["room"])))
			case 4:
				s.raw("rubbish")
			case 5:
				k.net.Strand(true, true)
			}
			f.settled(begin)
			time.Sleep(time.Duration(random.Int64N(int64(20 * time.Second))))
		}
		seen := 0
		for _, s := range k.all() {
			for _, c := range s.commands() {
				if r := c.Connect; r != nil && r.Flag != 0 {
					t.Errorf("connect asks for %v", r)
				}
				if r := c.Subscribe; r != nil {
					if seen++; r.Flag != 0 || r.Delta != "" || r.JoinLeave || r.Tf != nil || r.Type != 0 {
						t.Errorf("subscribe asks for %v", r)
					}
				}
			}
		}
		if seen < 31 {
			t.Errorf("only %d subscribe commands were looked at", seen)
		}
		for _, r := range k.requests {
			if r.Method != http.MethodGet || r.URL.Path != "/connection/websocket" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
				t.Errorf("request %s %s", r.Method, r.URL)
			}
		}
	})
}
