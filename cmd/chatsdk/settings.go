package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	// envPrefix begins the name of every variable that is a setting.
	envPrefix = "CHATSDK_"
	// maxConfigBytes bounds the configuration file, so that a wrong path isn't read into memory whole.
	maxConfigBytes = 1 << 20
)

// bind gives the command's flags, where the command line doesn't, the value of their variable, else that of the
// configuration file. A variable or a key that no command knows is an error: it is a typing error, and would be missed.
func bind(cmd *cobra.Command, env []string) error {
	vars, err := settingsOfEnv(cmd.Root(), env)
	if err != nil {
		return config(err, "see chatsdk --help for the settings")
	}
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("config") {
		path = vars["config"]
	}
	values := map[string]any{}
	if path != "" {
		if values, err = settingsOfFile(cmd, path); err != nil {
			return config(fmt.Errorf("configuration file %s: %w", path, err), "its keys are the names of flags")
		}
	}
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || !bindable(f) {
			return
		}
		if v, ok := vars[f.Name]; ok {
			if err := f.Value.Set(v); err != nil {
				errs = append(errs, config(fmt.Errorf("%s: %w", envName(f.Name), err), "see "+cmd.CommandPath()+" --help"))
			}
			f.Changed = true
			return
		}
		if v, ok := values[f.Name]; ok {
			if err := setFlag(f, v); err != nil {
				errs = append(errs, config(fmt.Errorf("configuration file %s: %s: %w", path, f.Name, err), "see "+cmd.CommandPath()+" --help"))
			}
			f.Changed = true
		}
	})
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// envName is the variable of a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// byHand is the annotation of a flag that is given by hand only: elsewhere its name means something else.
const byHand = "chatsdk_by_hand"

// bindable says whether a flag is a setting: asking for help isn't.
func bindable(f *pflag.Flag) bool {
	return f.Name != "help" && f.Name != "version" && f.Annotations[byHand] == nil
}

// settingsOfEnv reads the variables that are settings, by flag name.
func settingsOfEnv(root *cobra.Command, env []string) (map[string]string, error) {
	known := map[string]string{envName("config"): "config"}
	for _, c := range commands(root) {
		flagsOf(c).VisitAll(func(f *pflag.Flag) { known[envName(f.Name)] = f.Name })
	}
	out := map[string]string{}
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		flag, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("variable %s is no setting", name)
		}
		out[flag] = value
	}
	return out, nil
}

// commands are the root and everything below it that is ours.
func commands(root *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.Name() != "completion" && c.Name() != "help" {
			out = append(out, commands(c)...)
		}
	}
	return out
}

// flagsOf are a command's own settings.
func flagsOf(c *cobra.Command) *pflag.FlagSet {
	out := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if bindable(f) {
			out.AddFlag(f)
		}
	})
	return out
}

// settingsOfFile reads the file, checks all of it, and returns the values that are for cmd, by flag name.
func settingsOfFile(cmd *cobra.Command, path string) (map[string]any, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if info.Size() > maxConfigBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxConfigBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			row, column := de.Position()
			return nil, fmt.Errorf("line %d, column %d: %w", row, column, err)
		}
		return nil, err
	}
	out := map[string]any{}
	return out, readTable(cmd.Root(), cmd, all, "", out)
}

// readTable checks the table of command c, puts what is for want into out, and goes down into the tables of c's
// commands. A value of a table nearer to want replaces those further up.
func readTable(c, want *cobra.Command, table map[string]any, place string, out map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		full := place + key
		if sub, ok := table[key].(map[string]any); ok {
			i := slices.IndexFunc(c.Commands(), func(c *cobra.Command) bool { return c.Name() == key })
			if i < 0 {
				return fmt.Errorf("table [%s] is no command", full)
			}
			if err := readTable(c.Commands()[i], want, sub, full+".", out); err != nil {
				return err
			}
			continue
		}
		if !slices.ContainsFunc(commands(c), func(c *cobra.Command) bool { return flagsOf(c).Lookup(key) != nil }) {
			return fmt.Errorf("key %s is not known", full)
		}
	}
	if !slices.Contains(commands(c), want) {
		return nil
	}
	for key, value := range table {
		if _, nearer := out[key]; !nearer {
			out[key] = value // tables too: no flag has their name
		}
	}
	return nil
}

// setFlag gives a flag a value of a TOML file.
func setFlag(f *pflag.Flag, v any) error {
	list, isList := v.([]any)
	slice, takesList := f.Value.(pflag.SliceValue)
	if isList != takesList {
		return fmt.Errorf("wants %s", f.Value.Type())
	}
	if isList {
		texts := make([]string, len(list))
		for i, item := range list {
			text, err := scalar(item)
			if err != nil {
				return err
			}
			texts[i] = text
		}
		return slice.Replace(texts)
	}
	text, err := scalar(v)
	if err != nil {
		return err
	}
	return f.Value.Set(text)
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	return "", errors.New("is neither text, number nor true or false")
}
