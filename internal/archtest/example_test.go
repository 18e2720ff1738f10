package archtest_test

import (
	"flag"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "copy examples into README.md instead of comparing them")

// exampleBlock is a marked place of the README that shows an example function of the root package.
var exampleBlock = regexp.MustCompile("(?s)<!-- example: (Example[A-Za-z_]*) -->\n```go\n(.*?)```")

// exampleBody is the text between the braces of a function, one tab to the left, without its expected output.
func exampleBody(dir, name string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return "", err
	}
	for _, path := range paths {
		file, err := parseFile(dir, path)
		if err != nil {
			return "", err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		for _, decl := range file.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Name.Name != name {
				continue
			}
			open, end := file.fset.Position(fn.Body.Lbrace).Offset, file.fset.Position(fn.Body.Rbrace).Offset
			body := strings.ReplaceAll(string(source[open+1:end]), "\n\t", "\n")
			for _, output := range []string{"\n// Output:", "\n// Unordered output:"} {
				body, _, _ = strings.Cut(body, output)
			}
			return strings.TrimSpace(body) + "\n", nil
		}
	}
	return "", fmt.Errorf("there is no function %s", name)
}

// checkExamples compares each marked block with its function, and gives the text as it should be.
func checkExamples(text string, body func(name string) (string, error)) (string, []string) {
	var findings []string
	fixed := exampleBlock.ReplaceAllStringFunc(text, func(block string) string {
		match := exampleBlock.FindStringSubmatch(block)
		want, err := body(match[1])
		if err != nil {
			findings = append(findings, err.Error())
			return block
		}
		if match[2] != want {
			findings = append(findings, match[1]+" differs from the README: go test ./internal/archtest -run Example -update")
		}
		return "<!-- example: " + match[1] + " -->\n```go\n" + want + "```"
	})
	return fixed, findings
}

func TestReadmeExamplesAreTheCompiledOnes(t *testing.T) {
	readme := readText(t, "README.md")
	if !exampleBlock.MatchString(readme) {
		t.Error("README.md shows no example")
	}
	fixed, findings := checkExamples(readme, func(name string) (string, error) { return exampleBody(repoRoot, name) })
	if *update && fixed != readme {
		if err := os.WriteFile(filepath.Join(repoRoot, "README.md"), []byte(fixed), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	report(t, findings)
}

func TestExampleCheckFindsPlantedFaults(t *testing.T) {
	dir := t.TempDir()
	source := "package p_test\n\nfunc ExampleSame() {\n\tif true {\n\t\tprintln(1)\n\t}\n\t// Output: 1\n}\n\nfunc ExampleOther() {\n\tprintln(2)\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	block := func(name, body string) string { return "<!-- example: " + name + " -->\n```go\n" + body + "```\n" }
	text := block("ExampleSame", "if true {\n\tprintln(1)\n}\n") + block("ExampleOther", "println(3)\n") + block("ExampleGone", "")
	fixed, findings := checkExamples(text, func(name string) (string, error) { return exampleBody(dir, name) })
	mustFind(t, findings, "ExampleOther differs", "no function ExampleGone")
	if want := strings.Replace(text, "println(3)", "println(2)", 1); fixed != want {
		t.Errorf("updated text is\n%s\nwanted\n%s", fixed, want)
	}
}
