package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// addLogFlag gives a command --log-level.
func addLogFlag(c *cobra.Command, level string) {
	c.Flags().String("log-level", level, "what to log on stderr: debug, info, warn or error")
}

// logger makes the log that the flag asks for.
func logger(c *cobra.Command) (*slog.Logger, error) {
	name, err := c.Flags().GetString("log-level")
	if err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return nil, usage(fmt.Errorf("--log-level %q isn't a level", name), "use debug, info, warn or error")
	}
	return newLogger(c.ErrOrStderr(), level), nil
}

func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// printable replaces what a terminal would obey instead of showing: others write these texts.
func printable(s string) string {
	bad := func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !bad(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
