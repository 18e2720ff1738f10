package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

func startServer(t *testing.T, users ...string) string {
	t.Helper()
	db, err := sqlite.OpenMemory(t.Context(), t.Name())
	check(t, err)
	key, err := db.Key(t.Context())
	check(t, err)
	s, err := server.New(server.Config{Store: db, Key: key, Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1}})
	check(t, err)
	check(t, s.Start(t.Context()))
	for _, u := range users {
		check(t, s.AddUser(t.Context(), u, "correct horse"))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		check(t, s.Kill())
		check(t, <-served)
		check(t, db.Close())
	})
	return "http://" + ln.Addr().String()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, address string, from inbox.From) *chatsdk.Client {
	t.Helper()
	c, err := chatsdk.Open(t.Context(), chatsdk.Options{Server: address, Store: chatsdk.InMemory(), From: from})
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return c
}

func TestBotAnswersPing(t *testing.T) {
	address := startServer(t, "ada", "bot")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	botCtx, stopBot := context.WithCancel(ctx)
	bot := open(t, address, inbox.Start)
	ended := make(chan error, 1)
	go func() { ended <- run(botCtx, bot, "bot", "correct horse", "general") }()

	ada := open(t, address, inbox.Start)
	check(t, ada.SignIn(ctx, "ada", "correct horse"))
	ada.Connect()
	for _, text := range []string{"hello", "ping"} {
		_, err := ada.Send(ctx, "general", text)
		check(t, err)
	}
	want := []string{"ada: hello", "ada: ping", "bot: pong, ada"}
	for m, err := range ada.Messages(ctx, "general") {
		check(t, err)
		if got := m.User + ": " + m.Text; got != want[m.Seq-1] {
			t.Fatalf("message %d is %q, wanted %q", m.Seq, got, want[m.Seq-1])
		}
		if int(m.Seq) == len(want) {
			break
		}
	}
	stopBot()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the bot ended with %v", err)
	}
}
