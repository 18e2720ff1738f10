package archtest_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// requirement is one row of docs/requirements.md.
type requirement struct {
	section string
	sketch  string   // the first sketch's name, without backticks
	here    []string // what stands for it here, the code spans of its cell
	shownBy []string // tests and commands that show it
	status  string   // "done" or "planned (#N)"
	note    string
}

var (
	codeSpan      = regexp.MustCompile("`([^`]+)`")
	plannedStatus = regexp.MustCompile(`^planned \(#\d+\)$`)
)

// parseRequirements reads the tables; a row has five cells.
func parseRequirements(text string) ([]requirement, []string) {
	var rows []requirement
	var findings []string
	section := ""
	for number, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| Sketch ") || strings.HasPrefix(line, "| Requirement ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 5 {
			findings = append(findings, fmt.Sprintf("line %d: %d cells, a row has 5", number+1, len(cells)))
			continue
		}
		rows = append(rows, requirement{
			section: section, sketch: strings.ReplaceAll(strings.TrimSpace(cells[0]), "`", ""),
			here: codeSpans(cells[1]), shownBy: codeSpans(cells[2]),
			status: strings.TrimSpace(cells[3]), note: strings.TrimSpace(cells[4]),
		})
	}
	return rows, findings
}

func codeSpans(cell string) []string {
	var spans []string
	for _, match := range codeSpan.FindAllStringSubmatch(cell, -1) {
		spans = append(spans, match[1])
	}
	return spans
}

// project answers whether what a row names exists.
type project struct {
	names    nameIndex
	root     string
	targets  map[string]bool     // of the Makefile
	commands func(string) string // "" or what is wrong with a command line
}

// exists takes any name a row may hold: a Go name, a test, a route, a command line, a make target, or a name of a
// TypeScript package ("@chatsdk/react NetworkIndicator").
func (p project) exists(name string) bool {
	first, rest, _ := strings.Cut(name, " ")
	switch {
	case first == "make":
		return p.targets[rest]
	case first == "chatsdk":
		return p.commands(name) == ""
	case strings.HasPrefix(first, "@chatsdk/"):
		return p.hasExport(strings.TrimPrefix(first, "@chatsdk/"), rest)
	case strings.HasPrefix(rest, "/"):
		return p.names.hasRoute(rest)
	}
	return p.names.has(name) || p.names.hasTest(name)
}

// hasExport says whether the TypeScript package exports the name.
func (p project) hasExport(pkg, name string) bool {
	export := regexp.MustCompile(`(?m)^export\b.*\b` + regexp.QuoteMeta(name) + `\b`)
	for _, pattern := range []string{"*.ts", "*.tsx", "*/*.ts", "*/*.tsx"} {
		paths, _ := filepath.Glob(filepath.Join(p.root, "web/packages", pkg, "src", pattern)) // the pattern is well formed
		for _, path := range paths {
			if text, err := os.ReadFile(path); err == nil && export.Match(text) {
				return true
			}
		}
	}
	return false
}

// checkRows holds each row against the project.
func checkRows(rows []requirement, p project) []string {
	var findings []string
	for _, row := range rows {
		finding := ""
		switch {
		case row.status == "done":
			finding = checkDone(row, p)
		case plannedStatus.MatchString(row.status):
			finding = checkPlanned(row, p)
		default:
			finding = fmt.Sprintf("status %q is neither done nor planned (#N)", row.status)
		}
		if finding == "" && row.note == "" {
			finding = "says nothing about where we differ (write \"as sketched\" if we don't)"
		}
		if finding != "" {
			findings = append(findings, row.sketch+": "+finding)
		}
	}
	return findings
}

func checkDone(row requirement, p project) string {
	if len(row.here) == 0 || len(row.shownBy) == 0 {
		return "done, but names nothing here or nothing that shows it"
	}
	for _, name := range slices.Concat(row.here, row.shownBy) {
		if !p.exists(name) {
			return name + " doesn't exist"
		}
	}
	return ""
}

// checkPlanned keeps a row from staying "planned" once everything that it names is there.
func checkPlanned(row requirement, p project) string {
	if len(row.here) == 0 {
		return "planned, but doesn't say what"
	}
	for _, name := range slices.Concat(row.here, row.shownBy) {
		if !p.exists(name) {
			return ""
		}
	}
	return "all that it names exists: is this done?"
}

// checkComplete wants one row for each name of the sketch, in its section, and no other row.
func checkComplete(rows []requirement, sketch map[string][]string) []string {
	var findings []string
	seen := make(map[string]int)
	for _, row := range rows {
		seen[row.section+": "+row.sketch]++
	}
	for _, section := range slices.Sorted(maps.Keys(sketch)) {
		for _, name := range sketch[section] {
			key := section + ": " + name
			if seen[key] != 1 {
				findings = append(findings, fmt.Sprintf("%s: %d rows, wanted one", key, seen[key]))
			}
			delete(seen, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		findings = append(findings, key+": not a name of the sketch")
	}
	return findings
}

func ourProject(t *testing.T) project {
	t.Helper()
	return project{
		names: indexNames(ourFiles(t)), root: repoRoot,
		targets: makeTargets(readText(t, "Makefile")), commands: ourCommands(t),
	}
}

func TestRequirementsNameWhatExists(t *testing.T) {
	rows, findings := parseRequirements(readText(t, "docs/requirements.md"))
	report(t, findings)
	report(t, checkComplete(rows, sketchNames))
	report(t, checkRows(rows, ourProject(t)))

	count := make(map[string]int)
	for _, row := range rows {
		count[row.status]++
	}
	t.Logf("%d rows: %v", len(rows), count)
}

// TestUploadRequirementsNameWhatExists holds docs/uploads.md in the same way. It may leave something out, for a reason.
func TestUploadRequirementsNameWhatExists(t *testing.T) {
	rows, findings := parseRequirements(readText(t, "docs/uploads.md"))
	report(t, findings)
	for i := 1; i <= 15; i++ {
		if !slices.ContainsFunc(rows, func(r requirement) bool { return strings.HasPrefix(r.sketch, fmt.Sprintf("U%d ", i)) }) {
			t.Errorf("no row for U%d", i)
		}
	}
	built := slices.DeleteFunc(slices.Clone(rows), func(r requirement) bool {
		return r.status == "left out" && r.note != "" && len(r.here) == 0
	})
	report(t, checkRows(built, ourProject(t)))
	t.Logf("%d rows, %d built", len(rows), len(built))
}

func TestRequirementsCheckFindsPlantedFaults(t *testing.T) {
	const root = "testdata/requirements"
	files, err := goFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	planted := project{
		names: indexNames(files), root: root, targets: map[string]bool{"test": true},
		commands: func(line string) string {
			if line == "chatsdk serve" {
				return ""
			}
			return "no such command"
		},
	}
	text, err := os.ReadFile(filepath.Join(root, "requirements.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, findings := parseRequirements(string(text))
	mustFind(t, findings, "4 cells")
	sketch := map[string][]string{"Planted": {"missing row"}}
	for _, row := range rows {
		if row.sketch != "stray row" && !slices.Contains(sketch["Planted"], row.sketch) {
			sketch["Planted"] = append(sketch["Planted"], row.sketch)
		}
	}
	mustFind(t, checkComplete(rows, sketch),
		"missing row: 0 rows", "twice: 2 rows", "stray row: not a name of the sketch")
	mustFind(t, checkRows(rows, planted),
		"no such type: server.Nothing doesn't exist",
		"no such method: server.Server.Fly doesn't exist",
		"no such test: server.TestNothing doesn't exist",
		"no such table row: server.TestServer#sleeps doesn't exist",
		"no such route: POST /api/nothing doesn't exist",
		"no such target: make nothing doesn't exist",
		"no such command: chatsdk fly doesn't exist",
		"no such export: @chatsdk/react Nothing doesn't exist",
		"no test: done, but names nothing",
		"no reason: says nothing",
		"planned but built: all that it names exists",
		"planned but tested: all that it names exists",
		"planned but empty: planned, but doesn't say what",
		"odd status: status \"soon\"",
	)
}
