// Oauth keeps the tokens of any OAuth 2 server fresh, over restarts and beside other processes, and calls an API with them.
//
// It takes over what a sign-in elsewhere brought, once, from the environment:
//
//	ACCESS_TOKEN=… REFRESH_TOKEN=… go run ./examples/oauth \
//		-token-url https://auth.example.com/oauth/token -client-id app -session ./session https://api.example.com/me
//
// From then on the session lies in its file, and the variables aren't needed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oauth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("oauth", flag.ContinueOnError)
	tokenURL := flags.String("token-url", "", "the server's token endpoint")
	clientID := flags.String("client-id", "", "what the server calls this program")
	session := flags.String("session", "session", "file that keeps the session")
	every := flags.Duration("every", 0, "call again so often; 0 calls once")
	if err := flags.Parse(args); err != nil {
		return err
	}

	store, err := token.NewFile(*session)
	if err != nil {
		return err
	}
	refresh, err := token.OAuth2(token.OAuthOptions{
		Endpoint: token.Endpoint{URL: *tokenURL}, ClientID: *clientID, ClientSecret: token.NewSecret(env("CLIENT_SECRET")),
	})
	if err != nil {
		return err
	}
	// Most servers end the session if a replaced refresh token comes again; Strict is careful with it.
	source, err := token.New(token.Options{Refresh: refresh, Store: store, Rotation: token.Strict})
	if err != nil {
		return err
	}
	defer source.Close()
	if err := source.Start(); err != nil { // refreshes ahead from here on
		return err
	}
	if _, ok := source.Tokens(); !ok && env("ACCESS_TOKEN") != "" {
		first := token.Tokens{Access: token.NewSecret(env("ACCESS_TOKEN")), Refresh: token.NewSecret(env("REFRESH_TOKEN"))}
		if err := source.Set(ctx, first); err != nil {
			return err
		}
	}

	client := &http.Client{Transport: &token.Transport{Source: source}} // every call carries a token that is good
	for {
		for _, url := range flags.Args() {
			if err := get(ctx, client, url, out); err != nil {
				return err
			}
		}
		if *every <= 0 {
			return nil
		}
		select {
		case <-time.After(*every):
		case <-ctx.Done():
			return nil
		}
	}
}

func get(ctx context.Context, client *http.Client, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if errors.Is(err, token.ErrSignedOut) {
		return fmt.Errorf("sign in again, and remove the session file: %w", err)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	fmt.Fprintln(out, res.Status)
	_, err = io.Copy(out, res.Body)
	return err
}
