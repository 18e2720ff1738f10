package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// modulePath is the module that the rules are written for; planted modules in testdata carry the same name.
const modulePath = "github.com/chatsdk/chatsdk"

// repoRoot is the module's folder, seen from this package's.
const repoRoot = "../.."

// goFile is one parsed Go file.
type goFile struct {
	path  string // slash-separated, relative to the root that was scanned
	lines int
	ast   *ast.File
	fset  *token.FileSet
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// dir is the folder of the file relative to the scanned root; "." is the root.
func (f goFile) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

// skipDir says which folders hold no code of ours.
func skipDir(name string) bool {
	switch name {
	case "testdata", "vendor", "node_modules", "dist":
		return true
	}
	return len(name) > 1 && strings.HasPrefix(name, ".") && name != ".."
}

// goFiles parses every Go file of ours under root, nested modules included, generated files not.
func goFiles(root string) ([]goFile, error) {
	var files []goFile
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && skipDir(entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parseFile(root, path)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(file.ast) {
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

func parseFile(root, path string) (goFile, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
	if err != nil {
		return goFile{}, err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return goFile{}, err
	}
	lines := fset.File(tree.FileStart).LineCount()
	return goFile{path: filepath.ToSlash(rel), lines: lines, ast: tree, fset: fset}, nil
}

// ourFiles parses the project, once for each test that asks.
func ourFiles(t *testing.T) []goFile {
	t.Helper()
	files, err := goFiles(repoRoot)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// readText reads a file of the project; path is relative to the module's root.
func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repoRoot, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exists says whether the project has the file or folder.
func exists(path string) bool {
	_, err := os.Stat(filepath.Join(repoRoot, path))
	return err == nil
}

// report fails the test once for each finding.
func report(t *testing.T, findings []string) {
	t.Helper()
	for _, finding := range findings {
		t.Error(finding)
	}
}

// mustFind fails unless a check of planted faults found exactly the faults whose words are wanted, one each.
func mustFind(t *testing.T, got []string, want ...string) {
	t.Helper()
	left := append([]string(nil), got...)
	for _, words := range want {
		at := -1
		for i, finding := range left {
			if strings.Contains(finding, words) {
				at = i
				break
			}
		}
		if at < 0 {
			t.Errorf("planted fault not found: %q in\n\t%s", words, strings.Join(got, "\n\t"))
			continue
		}
		left = append(left[:at], left[at+1:]...)
	}
	for _, finding := range left {
		t.Errorf("found what wasn't planted: %s", finding)
	}
}
