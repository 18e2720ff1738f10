package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// boundFlags binds a command line of the real tree and returns what the command would see.
func boundFlags(t *testing.T, toml string, env []string, args ...string) (*cobra.Command, error) {
	t.Helper()
	if toml != "" {
		path := filepath.Join(t.TempDir(), "chatsdk.toml")
		if err := os.WriteFile(path, []byte(toml), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	root := newRoot(terminal{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: env})
	var seen *cobra.Command
	for _, c := range commands(root) {
		if c.Runnable() {
			c.Args = cobra.ArbitraryArgs
			c.RunE = func(cmd *cobra.Command, _ []string) error { seen = cmd; return nil }
		}
	}
	root.SetArgs(args)
	err := root.Execute()
	return seen, err
}

func TestSettingsPrecedence(t *testing.T) {
	const file = "listen = \"file:1\"\naccess-ttl = \"1m\"\n[serve]\nlisten = \"table:1\"\nrefresh-ttl = \"2h\"\n[proxy]\nseed = 7\n"
	env := []string{"HOME=/", "CHATSDK_ACCESS_TTL=3m"}
	for name, row := range map[string]struct {
		args []string
		env  []string
		flag string
		want string
	}{
		"default":                       {args: []string{"serve"}, flag: "admin", want: ""},
		"file, table of the command":    {args: []string{"serve"}, flag: "listen", want: "table:1"},
		"file, for every command":       {args: []string{"proxy"}, flag: "listen", want: "file:1"},
		"file, another command's table": {args: []string{"chat"}, flag: "from", want: "processed"},
		"file, a number":                {args: []string{"proxy"}, flag: "seed", want: "7"},
		"file, a duration":              {args: []string{"serve"}, flag: "refresh-ttl", want: "2h0m0s"},
		"variable over file":            {args: []string{"serve"}, env: env, flag: "access-ttl", want: "3m0s"},
		"flag over variable and file":   {args: []string{"serve", "--access-ttl", "4m"}, env: env, flag: "access-ttl", want: "4m0s"},
		"flag over table":               {args: []string{"serve", "--listen", "flag:1"}, flag: "listen", want: "flag:1"},
	} {
		cmd, err := boundFlags(t, file, row.env, row.args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := cmd.Flags().Lookup(row.flag).Value.String(); got != row.want {
			t.Errorf("%s: %s is %q, wanted %q", name, row.flag, got, row.want)
		}
	}
}

func TestSettingsOfNestedCommands(t *testing.T) {
	const file = "data = \"all\"\n[user]\ndata = \"users\"\n[user.add]\npassword-file = \"pw\"\n[channel.add]\nmember = [\"ada\", \"bob\"]\nprivate = true\n"
	cmd, err := boundFlags(t, file, nil, "user", "add")
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := cmd.Flags().GetString("data"); data != "users" {
		t.Errorf("data is %q, wanted that of [user]", data)
	}
	if pw, _ := cmd.Flags().GetString("password-file"); pw != "pw" {
		t.Errorf("password-file is %q", pw)
	}
	if cmd, err = boundFlags(t, file, nil, "channel", "add"); err != nil {
		t.Fatal(err)
	}
	members, _ := cmd.Flags().GetStringSlice("member")
	private, _ := cmd.Flags().GetBool("private")
	if !slices.Equal(members, []string{"ada", "bob"}) || !private {
		t.Errorf("members %v, private %v", members, private)
	}
}

func TestSettingsThatNobodyKnows(t *testing.T) {
	for name, row := range map[string]struct {
		toml string
		env  []string
		want string
	}{
		"key":                      {toml: "lisen = 1\n", want: "key lisen is not known"},
		"key of another command":   {toml: "[proxy]\ndata = \"d\"\n", want: "key proxy.data is not known"},
		"table":                    {toml: "[fly]\n", want: "table [fly] is no command"},
		"table in a table":         {toml: "[serve.add]\n", want: "table [serve.add] is no command"},
		"help is no setting":       {toml: "[serve]\nhelp = true\n", want: "key serve.help is not known"},
		"key twice":                {toml: "data = \"a\"\ndata = \"b\"\n", want: "line 2"},
		"list for one":             {toml: "[serve]\ndata = [\"a\"]\n", want: "data: wants string"},
		"a date":                   {toml: "[serve]\ndata = 2026-01-01\n", want: "neither text, number"},
		"variable":                 {env: []string{"CHATSDK_LISEN=x"}, want: "variable CHATSDK_LISEN is no setting"},
		"variable with bad value":  {env: []string{"CHATSDK_ACCESS_TTL=soon"}, want: "CHATSDK_ACCESS_TTL: "},
		"configuration that isn't": {env: []string{"CHATSDK_CONFIG=/nowhere/x.toml"}, want: "/nowhere/x.toml: "},
	} {
		_, err := boundFlags(t, row.toml, row.env, "serve")
		var coded *codedError
		if !errors.As(err, &coded) || coded.code != exitConfig || !strings.Contains(coded.line(), row.want) {
			t.Errorf("%s: %v, wanted exit %d and %q", name, err, exitConfig, row.want)
		}
	}
}
