package token_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// stateTable is what each state makes of each input: the state after it, and what is done.
const stateTable = `
from             set                     logout                  due             renewed                 failed               run out          dead                               misconfigured
none             fresh:publish,forgive   none                    none            none                    none                 none             reauth-required:withdraw,forgive   none
fresh            fresh:publish,forgive   none:withdraw,forgive   stale:refresh   fresh:publish,forgive   degraded:hold-back   expired:refresh  reauth-required:withdraw,forgive   config-error:hold-back
stale            fresh:publish,forgive   none:withdraw,forgive   stale:refresh   fresh:publish,forgive   degraded:hold-back   expired:refresh  reauth-required:withdraw,forgive   config-error:hold-back
degraded         fresh:publish,forgive   none:withdraw,forgive   degraded:refresh fresh:publish,forgive  degraded:hold-back   expired:refresh  reauth-required:withdraw,forgive   config-error:hold-back
expired          fresh:publish,forgive   none:withdraw,forgive   expired:refresh fresh:publish,forgive   expired:hold-back    expired:refresh  reauth-required:withdraw,forgive   config-error:hold-back
reauth-required  fresh:publish,forgive   none:withdraw,forgive   reauth-required fresh:publish,forgive   reauth-required      reauth-required  reauth-required                    reauth-required
config-error     fresh:publish,forgive   none:withdraw,forgive   config-error:refresh fresh:publish,forgive config-error:hold-back config-error:refresh reauth-required:withdraw,forgive config-error:hold-back
`

func TestStateTable(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(stateTable), "\n")[1:]
	if len(rows) != int(token.ConfigError)+1 {
		t.Fatalf("%d rows", len(rows))
	}
	for s, line := range rows {
		cells := strings.Fields(line)
		if cells[0] != token.State(s).String() || len(cells) != token.InputCount+1 {
			t.Fatalf("row %q of %v has %d cells", cells[0], token.State(s), len(cells))
		}
		for in, want := range cells[1:] {
			to, actions := token.Next(token.State(s), token.Input(in))
			var got strings.Builder
			got.WriteString(to.String())
			for k, a := range actions {
				got.WriteString(map[bool]string{true: ":", false: ","}[k == 0] + strings.ReplaceAll(a.String(), " ", "-"))
			}
			if got.String() != want {
				t.Errorf("%v, %v: %s, want %s", token.State(s), token.Input(in), got.String(), want)
			}
		}
	}
	if got := token.State(99).String(); got != "State(99)" {
		t.Error(got)
	}
}

func BenchmarkToken(b *testing.B) {
	s, err := token.New(token.Options{Refresh: (&issuer{}).refresh, Store: token.NewMemory()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Set(b.Context(), made(0, time.Hour)); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.Run("Token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Token(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("AccessToken", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := s.AccessToken(); !ok {
				b.Fatal("none")
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Token(ctx); err != nil {
					panic(err)
				}
			}
		})
	})
	b.Run("time.Now", func(b *testing.B) { // the part of it that is the clock's
		for b.Loop() {
			_ = time.Now().UnixNano()
		}
	})
}

// The hot path allocates nothing.
func TestTokenAllocatesNothing(t *testing.T) {
	s, err := token.New(token.Options{Refresh: (&issuer{}).refresh, Store: token.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set(t.Context(), made(0, time.Hour)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, call := range map[string]func(){
		"Token":       func() { _, _ = s.Token(ctx) },
		"AccessToken": func() { _, _ = s.AccessToken() },
	} {
		if n := testing.AllocsPerRun(1000, call); n != 0 {
			t.Error(fmt.Sprint(name, ": ", n, " allocations"))
		}
	}
}
