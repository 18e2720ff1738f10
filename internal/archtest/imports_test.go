package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// leaves never import each other; they meet in the facade.
var leaves = []string{"quality", "token", "api", "realtime", "outbox", "inbox", "upload"}

// tools are internal packages that any of ours may use: standard library only, held by standardOnly.
var tools = []string{"internal/backoff", "internal/dialing", "internal/notify", "internal/rto"}

// signals are internal packages that tell what this machine's kernel knows of the network. golang.org/x/sys comes with them.
var signals = []string{"internal/tcpinfo", "internal/linkwatch"}

// mayImport is the whole map of the module: what each package may import of ours, tests aside. "x/..." stands for x
// and what lies below it. Whoever uses the facade may name the leaves' types, which its methods hand out. A package
// without a row is a finding: who adds one decides here where it stands.
var mayImport = map[string][]string{
	".":             slices.Concat([]string{"internal/wire"}, leaves, tools, signals),
	"quality":       slices.Concat(tools, signals),
	"quality/...":   {"quality"},
	"token":         tools,
	"token/...":     {"token"},
	"api":           tools,
	"realtime":      tools,
	"outbox":        tools,
	"outbox/...":    {"outbox"},
	"inbox":         tools,
	"inbox/...":     {"inbox"},
	"upload":        tools,
	"upload/...":    {"upload"},
	"profile":       append([]string{"outbox", "inbox", "token", "upload", "internal/sqlitefile"}, tools...),
	"server/...":    append([]string{"server/...", "internal/wire", "internal/tcpinfo"}, tools...),
	"server/sqlite": {"internal/sqlitefile"},
	"faultnet":      nil,
	"scenario/...":  append([]string{".", "scenario/...", "server", "server/sqlite", "server/uploads", "profile", "profile/profiletest", "faultnet"}, leaves...),
	"agent":         slices.Concat([]string{".", "profile", "web"}, leaves, tools),
	"web":           nil,
	"cmd/...":       {"..."},
	"examples/...":  append([]string{".", "profile", "web"}, leaves...),
	"internal/wire": nil, "internal/backoff": nil, "internal/dialing": nil, "internal/notify": nil, "internal/rto": nil,
	"internal/bubble": nil, "internal/archtest": nil, "internal/sqlitefile": nil,
	"internal/tcpinfo": nil, "internal/linkwatch": nil, "internal/netns": nil,
	"internal/demo":       {".", "agent", "scenario", "faultnet", "profile", "inbox", "realtime"},
	"internal/doctor":     {"profile", "token", "internal/dialing"}, // for the command line; looks at a client's files and not at its code
	"profile/profiletest": nil,                                      // a disk that fails, for whoever opens a profile on it
}

// standardOnly packages reach nothing outside the standard library, however far.
var standardOnly = []string{"faultnet", "internal/backoff", "internal/dialing", "internal/notify", "internal/rto", "internal/wire", "internal/bubble"}

// testKits may import testing; everything else that isn't a test must run where there is no test.
var testKits = []string{"internal/bubble", "internal/netns", "server/storetest", "token/tokentest", "inbox/inboxtest", "outbox/outboxtest", "upload/uploadtest"}

// neverReach lists what a package must not reach, directly or through others. A pattern ends in "/..." to take in
// what lies below; ours begin with "./".
var neverReach = map[string][]string{
	".": client, "quality": client, "token": client, "api": client, "realtime": client, "outbox": client,
	"inbox": client, "upload": client, "token/oauth2token": client, "examples/bot": {"./server/...", "./faultnet", "./scenario/..."},
	"server/...": {
		"./.", "./quality", "./token", "./api", "./realtime", "./outbox", "./inbox", "./upload", "./profile",
		"./faultnet", "./scenario/...", "./cmd/...", "./agent", "github.com/spf13/cobra",
	},
	"scenario/...":        {"testing", "github.com/spf13/cobra"},
	"agent":               {"./server/...", "./faultnet", "./scenario/...", "./cmd/...", "testing", "github.com/spf13/cobra", "github.com/centrifugal/centrifuge"},
	"profile/profiletest": {"testing"},
}

// client is what would make the client library heavy, or bind it to the server. database/sql/driver isn't in it: that is
// an interface that ids implement, and brings no database.
var client = []string{
	"./server/...", "./faultnet", "./scenario/...", "./cmd/...", "./agent", "./profile/...", "./internal/sqlitefile", "testing",
	"github.com/centrifugal/centrifuge", "github.com/tus/...", "github.com/spf13/cobra", "github.com/prometheus/...", "database/sql",
	"github.com/ncruces/...", "github.com/jackc/...", "modernc.org/...", "github.com/mattn/go-sqlite3",
	"charm.land/...", "github.com/charmbracelet/...", "github.com/pelletier/...", "github.com/redis/...",
}

// onlyIn lists dependencies that live in few packages.
var onlyIn = map[string][]string{
	"github.com/spf13/cobra":            {"cmd/..."},
	"charm.land/...":                    {"cmd/..."},
	"github.com/prometheus/...":         {"server/...", "agent", "cmd/..."},
	"github.com/centrifugal/centrifuge": {"server/..."},
	"github.com/tus/...":                {"server/uploads"},
	"github.com/ncruces/...":            {"server/sqlite", "profile/...", "internal/sqlitefile", "cmd/..."},
	"golang.org/x/oauth2/...":           {"token/oauth2token"},
	"github.com/gofrs/flock":            {"token", "profile"},
	"golang.org/x/sys/...":              {"internal/tcpinfo", "internal/linkwatch"},
}

// goPackage is what `go list -json` tells about a package.
type goPackage struct {
	ImportPath   string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
	GoFiles      []string
}

// local is the package's path below the module; "." is the root, "" means that it isn't ours.
func local(importPath string) string {
	if importPath == modulePath {
		return "."
	}
	rest, ours := strings.CutPrefix(importPath, modulePath+"/")
	if !ours {
		return ""
	}
	return rest
}

// matches says whether a path fits a pattern; "x/..." takes in x itself, "..." everything.
func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	base, below := strings.CutSuffix(pattern, "/...")
	return name == base || below && strings.HasPrefix(name, base+"/")
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, name) })
}

// reaches says whether an import path fits a pattern of neverReach.
func reaches(pattern, importPath string) bool {
	if ours, ok := strings.CutPrefix(pattern, "./"); ok {
		return local(importPath) != "" && matches(ours, local(importPath))
	}
	return matches(pattern, importPath)
}

// listPackages asks the go command for every package of the module in dir and all that they reach.
func listPackages(dir string) (map[string]goPackage, error) {
	list := exec.Command("go", "list", "-deps",
		"-json=ImportPath,Standard,Imports,TestImports,XTestImports,Deps,GoFiles", "./...")
	list.Dir = dir
	list.Env = append(os.Environ(), "GOWORK=off", "PWD=")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	packages := make(map[string]goPackage)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg goPackage
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[pkg.ImportPath] = pkg
	}
}

// checkImports holds the rules above against a module.
func checkImports(packages map[string]goPackage) []string {
	var findings []string
	for _, pkg := range packages {
		if name := local(pkg.ImportPath); name != "" {
			findings = append(findings, checkArrows(name, pkg)...)
			findings = append(findings, checkDirect(name, pkg)...)
			findings = append(findings, checkReach(name, pkg, packages)...)
		}
	}
	slices.Sort(findings)
	return findings
}

// checkArrows finds imports of ours that the map doesn't show.
func checkArrows(name string, pkg goPackage) []string {
	var allowed []string
	known := false
	for pattern, targets := range mayImport {
		if matches(pattern, name) {
			known, allowed = true, append(allowed, targets...)
		}
	}
	if !known {
		return []string{fmt.Sprintf("%s: has no row in mayImport: decide what it may import", name)}
	}
	var findings []string
	for _, imported := range pkg.Imports {
		target := local(imported)
		if target != "" && !matchesAny(allowed, target) {
			findings = append(findings, fmt.Sprintf("%s imports %s: no such arrow", name, target))
		}
	}
	return findings
}

// checkDirect finds imports that have a place of their own, or none.
func checkDirect(name string, pkg goPackage) []string {
	var findings []string
	for _, imported := range pkg.Imports {
		if imported == "testing" && !slices.Contains(testKits, name) {
			findings = append(findings, fmt.Sprintf("%s imports testing outside of its tests", name))
		}
		for pattern, homes := range onlyIn {
			if matches(pattern, imported) && !matchesAny(homes, name) {
				findings = append(findings, fmt.Sprintf("%s imports %s, which belongs to %s",
					name, imported, strings.Join(homes, ", ")))
			}
		}
	}
	for _, imported := range slices.Concat(pkg.Imports, pkg.TestImports, pkg.XTestImports) {
		if imported == "math/rand" {
			findings = append(findings, fmt.Sprintf("%s imports math/rand: use math/rand/v2, from a source handed in", name))
		}
	}
	return findings
}

// checkReach finds what a package reaches through others and must not.
func checkReach(name string, pkg goPackage, packages map[string]goPackage) []string {
	var findings []string
	for _, dep := range pkg.Deps {
		for pattern, forbidden := range neverReach {
			if !matches(pattern, name) {
				continue
			}
			for _, target := range forbidden {
				if reaches(target, dep) {
					findings = append(findings, fmt.Sprintf("%s reaches %s", name, dep))
				}
			}
		}
		if slices.Contains(standardOnly, name) && !packages[dep].Standard {
			findings = append(findings, fmt.Sprintf("%s reaches %s: standard library only", name, dep))
		}
	}
	return findings
}

func TestPackagesImportOnlyAlongTheMap(t *testing.T) {
	packages, err := listPackages(repoRoot)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := packages[modulePath]; !ok {
		t.Error("the root package isn't listed: the facade isn't checked")
	}
	report(t, checkImports(packages))
}

// The planted module breaks each rule once, with stand-ins for the libraries.
func TestImportCheckFindsPlantedFaults(t *testing.T) {
	packages, err := listPackages(filepath.Join("testdata", "imports"))
	if err != nil {
		t.Fatal(err)
	}
	mustFind(t, checkImports(packages),
		". imports server: no such arrow",
		". reaches "+path.Join(modulePath, "server"),
		". reaches github.com/spf13/cobra",
		"server imports realtime: no such arrow",
		"server imports github.com/spf13/cobra, which belongs to cmd/...",
		"server reaches github.com/spf13/cobra",
		"server reaches "+path.Join(modulePath, "realtime"),
		"server reaches "+path.Join(modulePath, "outbox"),
		"realtime imports outbox: no such arrow",
		"outbox imports internal/wire: no such arrow",
		"faultnet reaches github.com/spf13/cobra: standard library only",
		"faultnet imports github.com/spf13/cobra, which belongs to cmd/...",
		"scenario imports testing outside of its tests",
		"scenario reaches testing",
		"inbox imports math/rand",
		"newcomer: has no row in mayImport",
	)
}
