// Command bot answers "ping" with "pong" in one channel, for as long as it runs, whatever the network does meanwhile.
//
//	bot -server http://127.0.0.1:8080 -user bot -password-file bot.password general
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

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
)

func main() {
	server := flag.String("server", "http://127.0.0.1:8080", "address of the server")
	user := flag.String("user", "bot", "who to sign in as")
	passwordFile := flag.String("password-file", "", "file with the password")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, *server, *user, *passwordFile, flag.Args())
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bot:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, server, user, passwordFile string, args []string) error {
	if len(args) != 1 || passwordFile == "" {
		return errors.New("usage: bot [-server URL] [-user NAME] -password-file FILE CHANNEL")
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	client, err := chatsdk.Open(ctx, chatsdk.Options{
		Server: server,
		Store:  chatsdk.InMemory(), // a bot that restarts has nothing to remember
		From:   inbox.Now,          // and doesn't answer yesterday's pings
		Logger: slog.Default(),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	return run(ctx, client, user, strings.TrimRight(string(password), "\r\n"), args[0])
}

// run signs in and answers until ctx ends.
func run(ctx context.Context, client *chatsdk.Client, user, password, channel string) error {
	if err := client.SignIn(ctx, user, password); err != nil { // tries for as long as there is no network
		return err
	}
	client.Connect()
	for m, err := range client.Messages(ctx, channel) {
		if err != nil {
			return err
		}
		if m.User == user || m.Text != "ping" { // a bot that answers itself never stops
			continue
		}
		if _, err := client.Send(ctx, channel, "pong, "+m.User); err != nil {
			return err
		}
	}
	return nil
}
