package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/internal/doctor"
	"github.com/chatsdk/chatsdk/internal/wire"
)

func newDoctor() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Look what works between here and the server, and what doesn't", Args: cobra.NoArgs,
		Long: `Look what works between here and the server, and what doesn't, and say what to do about it: the server's name (dns), its
addresses over IPv4 and IPv6 (tcp), its certificate (tls), a proxy, a captive portal, the server itself, the WebSocket, this
machine's clock, and of the profile its session and its disk.

It takes 20 seconds at most, and mends nothing: a session is looked at and not renewed. A profile is opened for it as by any
command, so that one of an older version is brought forward. Without --server the profile's own server is looked at; without
--profile session and disk are left out. HTTP calls go through HTTPS_PROXY and HTTP_PROXY, as those of a client.

Each check is ok, warn, FAIL, or skip where something that it needs failed or wasn't given. The exit code is 0 if none failed,
warnings or not. Else a captive portal decides, since it explains what else fails, or the first check that failed, in the
order above: 5 for the network, 3 for a wrong address, certificate authority, clock or folder, 4 without a session, 1 for the
server's own trouble and for a disk that is full or damaged.`,
	}
	f := c.Flags()
	server := f.String("server", "", "the server's address, such as http://127.0.0.1:8080 (default: the profile's)")
	dir := f.String(profileFlag, "", "the client's folder")
	asJSON := f.Bool("json", false, "one JSON object")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		o, err := doctorOptions(cmd.Context(), *server, *dir)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		var lost error
		if !*asJSON {
			marks := colour(out)
			o.Tell = func(c doctor.Check) { lost = errors.Join(lost, printCheck(out, c, marks)) }
		}
		report := doctor.Run(cmd.Context(), o)
		code := doctorError(cmd.Context(), report)
		if *asJSON {
			lost = printJSON(out, doctorJSON(report, code))
		}
		switch {
		case lost != nil:
			return failure(lost, "")
		case code != nil:
			return code
		}
		return nil
	})
	return c
}

// doctorOptions are what to look at.
func doctorOptions(ctx context.Context, server, dir string) (o doctor.Options, err error) {
	if server == "" && dir == "" {
		return o, usage(errors.New("--server or --profile is needed"), "give the server's address, the client's folder, or both")
	}
	o = doctor.Options{Profile: dir, API: wire.APIVersion, Proxy: http.ProxyFromEnvironment}
	if server == "" {
		return o, nil
	}
	name, err := serverName(ctx, server)
	if err != nil {
		return o, config(err, "see --server")
	}
	if o.Server, err = url.Parse(name); err != nil {
		return o, config(errors.New("the server's address can't be read"), "see --server")
	}
	return o, nil
}

// doctorCodes are the exit codes of faults.
var doctorCodes = map[doctor.Fault]int{
	doctor.FaultNetwork: exitNetwork, doctor.FaultConfig: exitConfig, doctor.FaultSession: exitSignedOut, doctor.FaultOther: exitFailure,
}

// doctorError is the end of the command, nil if all is well.
func doctorError(ctx context.Context, r doctor.Report) *codedError {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	c, failed := r.Decisive()
	if !failed {
		return nil
	}
	return &codedError{doctorCodes[c.Fault], fmt.Errorf("%s: %s", c.Name, c.Seen), c.Advice}
}

// doctorReport is what doctor --json prints.
type doctorReport struct {
	Schema int `json:"schema"`
	doctor.Report
	OK   bool `json:"ok"` // nothing failed
	Exit int  `json:"exit"`
}

func doctorJSON(r doctor.Report, code *codedError) doctorReport {
	out := doctorReport{Schema: schema, Report: r, OK: code == nil}
	if code != nil {
		out.Exit = code.code
	}
	return out
}

// doctorMarks are words, so that they can be read without colours.
var doctorMarks = map[doctor.Outcome]struct{ word, colour string }{
	doctor.OK: {"ok  ", "32"}, doctor.Warning: {"warn", "33"}, doctor.Failed: {"FAIL", "31"}, doctor.Skipped: {"skip", "2"},
}

// printCheck writes a check on a line, and what to do on another.
func printCheck(out io.Writer, c doctor.Check, coloured bool) error {
	mark := doctorMarks[c.Outcome]
	if coloured {
		mark.word = "\x1b[" + mark.colour + "m" + mark.word + "\x1b[0m"
	}
	text := fmt.Sprintf("%s  %-10s %s\n", mark.word, c.Name, printable(c.Seen))
	if c.Advice != "" {
		text += fmt.Sprintf("%17s%s\n", "", printable(c.Advice))
	}
	_, err := io.WriteString(out, text)
	return err
}
