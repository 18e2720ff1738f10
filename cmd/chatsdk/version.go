package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// schema is the version of every JSON output. It rises when something is taken away or means something else.
const schema = 1

// version is the module's version as the Go command stamped it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Say what this is", Args: cobra.NoArgs}
	asJSON := c.Flags().Bool("json", false, "one JSON object")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		platform := runtime.GOOS + "/" + runtime.GOARCH
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Schema   int    `json:"schema"`
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
				API      int    `json:"api"`
			}{schema, version(), runtime.Version(), platform, wire.APIVersion})
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "chatsdk %s %s %s api %d\n", version(), runtime.Version(), platform, wire.APIVersion)
		return err
	})
	return c
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
