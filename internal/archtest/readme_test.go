package archtest_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	makeLine    = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):(.*)$`)
	fencedBlock = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	problemRow  = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")
	markdownRef = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// makeTargets lists the targets of a Makefile.
func makeTargets(makefile string) map[string]bool {
	targets := make(map[string]bool)
	for _, match := range makeTarget.FindAllStringSubmatch(makefile, -1) {
		targets[match[1]] = true
	}
	return targets
}

// codeOf lists what a Markdown text sets as code: the lines of fenced blocks, and spans.
func codeOf(text string) []string {
	var code []string
	for _, match := range fencedBlock.FindAllStringSubmatch(text, -1) {
		block := strings.ReplaceAll(match[1], "\\\n", " ")
		for line := range strings.SplitSeq(block, "\n") {
			line, _, _ = strings.Cut(line, " #")
			code = append(code, strings.TrimPrefix(strings.TrimSpace(line), "$ "))
		}
	}
	return append(code, codeSpans(fencedBlock.ReplaceAllString(text, ""))...)
}

// section is the text under a heading of level two.
func section(text, title string) string {
	_, rest, found := strings.Cut(text, "\n## "+title+"\n")
	if !found {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// checkMake finds `make x` of a text that the Makefile doesn't have.
func checkMake(text string, targets map[string]bool) []string {
	var findings []string
	for _, code := range codeOf(text) {
		for _, match := range makeLine.FindAllStringSubmatch(code, -1) {
			if !targets[match[1]] {
				findings = append(findings, "the Makefile has no target "+match[1])
			}
		}
	}
	return findings
}

// checkCommands finds command lines of a text that the program doesn't know.
func checkCommands(text string, check func(string) string) []string {
	var findings []string
	for _, code := range codeOf(text) {
		line := strings.TrimPrefix(strings.TrimPrefix(code, "go run ./cmd/"), "./")
		if !strings.HasPrefix(line, "chatsdk ") {
			continue
		}
		line, _, _ = strings.Cut(line, " | ")
		if wrong := check(line); wrong != "" {
			findings = append(findings, fmt.Sprintf("%q: %s", code, wrong))
		}
	}
	return findings
}

// checkProblems compares the table of problem codes with the constants.
func checkProblems(table string, constants []string) []string {
	var findings []string
	listed := make(map[string]bool)
	for _, match := range problemRow.FindAllStringSubmatch(table, -1) {
		listed[match[1]] = true
	}
	for _, code := range constants {
		if !listed[code] {
			findings = append(findings, "problem code "+code+" isn't listed")
		}
		delete(listed, code)
	}
	for _, code := range slices.Sorted(maps.Keys(listed)) {
		findings = append(findings, "problem code "+code+" doesn't exist")
	}
	return findings
}

// problemCodes are the values of the Code constants of a package's files.
func problemCodes(files []goFile) []string {
	var codes []string
	for _, file := range files {
		ast.Inspect(file.ast, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if code, err := strconv.Unquote(literal.Value); err == nil {
					codes = append(codes, code)
				}
			}
			return true
		})
	}
	return codes
}

// checkLinks finds references to files that aren't there; folder is where the text lies.
func checkLinks(text, folder string, exists func(string) bool) []string {
	var findings []string
	for _, match := range markdownRef.FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(match[1], "#")
		if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		if !exists(filepath.Join(folder, target)) {
			findings = append(findings, "link to "+match[1]+": no such file")
		}
	}
	return findings
}

func TestReadmeNamesWhatExists(t *testing.T) {
	readme := readText(t, "README.md")
	makefile := readText(t, "Makefile")
	report(t, checkMake(readme, makeTargets(makefile)))

	wire, err := goFiles(filepath.Join(repoRoot, "internal/wire"))
	if err != nil {
		t.Fatal(err)
	}
	codes := problemCodes(wire)
	if len(codes) == 0 {
		t.Error("internal/wire has no problem codes: the check is blind")
	}
	report(t, checkProblems(section(readme, "Problem codes"), codes))
	if !exists("cmd/chatsdk") {
		t.Log("commands are not checked: there is no cmd/chatsdk")
		return
	}
	report(t, checkCommands(readme, ourCommands(t)))
}

func TestDocumentsLinkToFilesThatExist(t *testing.T) {
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md", "bench/*.md"} {
		paths, err := filepath.Glob(filepath.Join(repoRoot, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			rel, err := filepath.Rel(repoRoot, path)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range checkLinks(readText(t, rel), filepath.Dir(rel), exists) {
				t.Errorf("%s: %s", rel, finding)
			}
		}
	}
}

func TestMakeTargetsExplainThemselves(t *testing.T) {
	matches := makeTarget.FindAllStringSubmatch(readText(t, "Makefile"), -1)
	for _, match := range matches {
		if !strings.Contains(match[2], "## ") {
			t.Errorf("target %s has no ## comment: make help doesn't show it", match[1])
		}
	}
	if len(matches) == 0 {
		t.Error("no targets found")
	}
}

func TestReadmeCheckFindsPlantedFaults(t *testing.T) {
	const planted = "# Title\n\nRun `make test`, then make nothing of it, or `make nothing`.\n\n" +
		"```sh\nmake fly # far\n$ chatsdk serve \\\n  --listen X\ngo run ./cmd/chatsdk fly\n```\n\n" +
		"`chatsdk` alone is no command. See [there](docs/there.md#x), [here](here.md), [web](https://example.org/).\n\n" +
		"## Problem codes\n\n| `known` | x |\n| `stray` | x |\n\n## Other\n\n| `other` | x |\n"
	targets := makeTargets("test: ## tests\n\tgo test\nVAR := x\n")
	mustFind(t, checkMake(planted, targets), "no target nothing", "no target fly")

	var asked []string
	mustFind(t, checkCommands(planted, func(line string) string {
		asked = append(asked, line)
		if strings.HasPrefix(line, "chatsdk fly") {
			return "no such command"
		}
		return ""
	}), "no such command")
	if len(asked) != 2 || !strings.Contains(asked[0], "--listen X") {
		t.Errorf("asked for %q, wanted both command lines, the first one joined", asked)
	}

	mustFind(t, checkProblems(section(planted, "Problem codes"), []string{"known", "missing"}),
		"code missing isn't listed", "code stray doesn't exist")
	mustFind(t, checkLinks(planted, "folder", func(path string) bool { return path == filepath.Join("folder", "here.md") }),
		"link to docs/there.md#x")
}
