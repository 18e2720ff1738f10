package scenario_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/token"
)

// wantNoSecrets looks for tokens and passwords in all that a world has logged, and in what is said of it.
func wantNoSecrets(t *testing.T, s *scenario.Secrets, said ...any) {
	t.Helper()
	s.Say(said...)
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if lines, tokens := s.Counts(); lines < 5 || tokens == 0 {
		t.Errorf("%d lines and %d tokens: the search is blind", lines, tokens)
	}
}

// TestSecretsInALogAreFound logs the tokens of a scenario's client: the access token, a part of the refresh token, or one
// that is in an error alone.
func TestSecretsInALogAreFound(t *testing.T) {
	for name, show := range map[string]func(*scenario.Secrets, *api.Options, token.Tokens){
		"none": func(*scenario.Secrets, *api.Options, token.Tokens) {},
		"access token": func(_ *scenario.Secrets, o *api.Options, t token.Tokens) {
			o.Logger.Debug("made a client", "token", t.Access.Reveal())
		},
		"end of the refresh token": func(_ *scenario.Secrets, o *api.Options, t token.Tokens) {
			refresh := t.Refresh.Reveal()
			o.Logger.Info("made a client", "of", refresh[len(refresh)/2:])
		},
		"error": func(s *scenario.Secrets, _ *api.Options, t token.Tokens) {
			s.Say(fmt.Errorf("refused: Bearer %s", t.Access.Reveal()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				secrets := &scenario.Secrets{}
				defer scenario.PlantHTTP(scenario.HTTPMistake{Options: func(o *api.Options, s *token.Source) {
					tokens, _ := s.Tokens()
					show(secrets, o, tokens)
				}})()
				s, _ := scenario.Find("4")
				r, err := scenario.RunVirtual(t.Context(), s, scenario.RunOptions{Seed: 1, Secrets: secrets})
				if err != nil || !r.OK {
					t.Fatal(r, err)
				}
				err = secrets.Check()
				if (err != nil) != (name != "none") || err != nil && !strings.Contains(err.Error(), "a secret was said") {
					t.Errorf("found: %v", err)
				}
			})
		})
	}
}
