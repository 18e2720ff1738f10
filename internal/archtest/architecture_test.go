package archtest_test

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// startsGoroutine says whether a file has a go statement or calls a WaitGroup's Go.
func startsGoroutine(file goFile) bool {
	found := false
	ast.Inspect(file.ast, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.CallExpr:
			if method, ok := node.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Go" && len(node.Args) == 1 {
				found = true
			}
		}
		return !found
	})
	return found
}

// hasGoroutineTable says whether a folder's goroutines stand in the table: those of what runs for long.
func hasGoroutineTable(dir string) bool {
	top, _, _ := strings.Cut(dir, "/")
	return top != "bench" && top != "examples" && top != "cmd" && !slices.Contains(testKits, dir)
}

// checkGoroutines compares the files that the table names with those that start goroutines.
func checkGoroutines(table string, files []goFile) []string {
	var findings []string
	named := make(map[string]bool)
	for _, span := range codeSpans(table) {
		if path.Ext(span) == ".go" {
			named[span] = true
		}
	}
	for _, file := range files {
		if file.isTest() || !hasGoroutineTable(file.dir()) || !startsGoroutine(file) {
			continue
		}
		if !named[file.path] {
			findings = append(findings, file.path+" starts a goroutine that the table doesn't name")
		}
		delete(named, file.path)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		findings = append(findings, name+" starts no goroutine, but the table says so")
	}
	return findings
}

// stateNames are the constants of a package's type State, in lower case.
func stateNames(files []goFile) []string {
	var names []string
	for _, file := range files {
		for _, decl := range file.ast.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || len(group.Specs) == 0 {
				continue
			}
			first, ok := group.Specs[0].(*ast.ValueSpec)
			if !ok {
				continue
			}
			if typ, ok := first.Type.(*ast.Ident); !ok || typ.Name != "State" {
				continue
			}
			for _, spec := range group.Specs {
				names = append(names, strings.ToLower(spec.(*ast.ValueSpec).Names[0].Name))
			}
		}
	}
	return names
}

// checkStates finds states that the diagram leaves out.
func checkStates(diagram string, states []string) []string {
	var findings []string
	for _, state := range states {
		if !strings.Contains(diagram, state) {
			findings = append(findings, "the diagram has no state "+state)
		}
	}
	return findings
}

func TestArchitectureNamesEveryGoroutineAndState(t *testing.T) {
	text := readText(t, "ARCHITECTURE.md")
	files := ourFiles(t)
	report(t, checkGoroutines(section(text, "Goroutines"), files))

	var realtime []goFile
	for _, file := range files {
		if file.dir() == "realtime" && !file.isTest() {
			realtime = append(realtime, file)
		}
	}
	states := stateNames(realtime)
	if len(states) == 0 {
		t.Error("package realtime has no states: the check is blind")
	}
	report(t, checkStates(section(text, "Connection states"), states))
}

func TestArchitectureCheckFindsPlantedFaults(t *testing.T) {
	files, err := goFiles("testdata/architecture")
	if err != nil {
		t.Fatal(err)
	}
	const table = "| loop | `realtime/named.go` | | `realtime/quiet.go` |"
	mustFind(t, checkGoroutines(table, files),
		"realtime/unnamed.go starts", "realtime/group.go starts", "realtime/quiet.go starts no goroutine")
	mustFind(t, checkStates("a diagram with connected", stateNames(files)), "no state lost")
}
