// Command bot answers each "ping" in one channel with one "pong", whatever the network does and however the bot ends: what
// was asked while it was away it answers when it is back.
//
//	bot -server http://127.0.0.1:8080 -user bot -password-file bot.password -profile bot general
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

func main() {
	server := flag.String("server", "http://127.0.0.1:8080", "address of the server")
	user := flag.String("user", "bot", "who to sign in as")
	dir := flag.String("profile", "bot", "folder for what the bot must not lose")
	passwordFile := flag.String("password-file", "", "file with the password")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, *server, *user, *passwordFile, *dir, flag.Args())
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bot:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, server, user, passwordFile, dir string, args []string) (err error) {
	if len(args) != 1 || passwordFile == "" {
		return errors.New("usage: bot [-server URL] [-user NAME] -password-file FILE [-profile DIR] CHANNEL")
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	store, err := profile.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	client, err := chatsdk.Open(ctx, chatsdk.Options{Server: server, Store: store, Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }() // before the store: it still has something to keep
	return run(ctx, client, user, strings.TrimRight(string(password), "\r\n"), args[0])
}

// run signs in and answers until ctx ends.
func run(ctx context.Context, client *chatsdk.Client, user, password, channel string) error {
	if _, _, in := client.Session(); !in {
		if err := client.SignIn(ctx, user, password); err != nil { // tries for as long as there is no network
			return err
		}
	}
	client.Connect()
	for m, err := range client.Messages(ctx, channel) {
		if err != nil {
			return err
		}
		if m.User == user || m.Text != "ping" { // a bot that answers itself never stops
			continue
		}
		// A bot that died before its ping was marked as processed gets it again. The same id then is the same message.
		id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("pong "+m.ID)).String()
		if _, err := client.SendEntry(ctx, outbox.Entry{ID: id, Channel: channel, Text: "pong, " + m.User}); err != nil {
			return err
		}
	}
	return nil
}
