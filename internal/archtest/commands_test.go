package archtest_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commandHelp gives the help text of a command of chatsdk: args are its words, without the program's name.
type commandHelp func(args ...string) string

var (
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  `)
	commandWord = regexp.MustCompile(`^[a-z][a-z-]*$`)
	commandFlag = regexp.MustCompile(`^--[a-z][a-z-]*`)
)

// subcommands reads the list of commands from a help text.
func subcommands(help string) []string {
	_, list, found := strings.Cut(help, "\nAvailable Commands:\n")
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for _, match := range helpCommand.FindAllStringSubmatch(list, -1) {
		names = append(names, match[1])
	}
	return names
}

// checkCommand says what is wrong with a command line such as "chatsdk user add NAME --data DIR", or "". Help must
// list each subcommand and each flag; what the line gives them as arguments isn't looked at.
func checkCommand(line string, help commandHelp) string {
	var args []string
	text := help()
	known := subcommands(text)
	for _, word := range strings.Fields(line)[1:] {
		switch {
		case commandFlag.MatchString(word):
			flag := commandFlag.FindString(word)
			if !regexp.MustCompile(regexp.QuoteMeta(flag) + `\b`).MatchString(text) {
				return "help of chatsdk " + strings.Join(args, " ") + " doesn't know " + flag
			}
		case slices.Contains(known, word):
			args = append(args, word)
			text = help(args...)
			known = subcommands(text)
		case len(known) > 0 && commandWord.MatchString(word):
			return "help of chatsdk " + strings.Join(args, " ") + " doesn't list " + word
		default:
			known = nil // the first argument ends the command's own words
		}
	}
	return ""
}

// ourCommands builds the program and asks its help. While there is no program, no command exists.
func ourCommands(t *testing.T) func(line string) string {
	t.Helper()
	if !exists("cmd/chatsdk") {
		return func(line string) string { return line + ": there is no cmd/chatsdk" }
	}
	program := filepath.Join(t.TempDir(), "chatsdk.exe")
	build := exec.Command("go", "build", "-o", program, "./cmd/chatsdk")
	build.Dir = repoRoot
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/chatsdk: %v\n%s", err, out)
	}
	texts := make(map[string]string)
	help := func(args ...string) string {
		key := strings.Join(args, " ")
		if text, ok := texts[key]; ok {
			return text
		}
		out, err := exec.Command(program, append(slices.Clone(args), "--help")...).Output()
		if err != nil {
			t.Errorf("chatsdk %s --help: %v", key, err)
		}
		texts[key] = string(out)
		return texts[key]
	}
	return func(line string) string { return checkCommand(line, help) }
}

func TestCommandCheckFindsPlantedFaults(t *testing.T) {
	texts := map[string]string{
		"":     "Chat\n\nUsage:\n  chatsdk [command]\n\nAvailable Commands:\n  user        Accounts\n  chat        Talk\n\nFlags:\n  -h, --help   help\n",
		"user": "Accounts\n\nUsage:\n  chatsdk user [command]\n\nAvailable Commands:\n  add         Make one\n\nFlags:\n  -h, --help\n",
		"user add": "Make one\n\nUsage:\n  chatsdk user add NAME [flags]\n\n" +
			"Flags:\n      --data string   folder\n      --data-mode string   rights\n",
		"chat": "Talk\n\nUsage:\n  chatsdk chat CHANNEL [flags]\n\nFlags:\n      --json   lines\n",
	}
	help := func(args ...string) string { return texts[strings.Join(args, " ")] }
	for line, want := range map[string]string{
		"chatsdk --help":                    "",
		"chatsdk user add ann --data DIR":   "",
		"chatsdk chat --json general chat":  "",
		"chatsdk fly":                       "doesn't list fly",
		"chatsdk user remove ann":           "doesn't list remove",
		"chatsdk user add ann --password x": "doesn't know --password",
		"chatsdk chat --js general":         "doesn't know --js",
	} {
		got := checkCommand(line, help)
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, wanted %q", line, got, want)
		}
	}
}
