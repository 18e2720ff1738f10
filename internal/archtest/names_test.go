package archtest_test

import (
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"
)

// nameIndex knows what a module's packages declare, by syntax alone.
type nameIndex struct {
	packages map[string]*packageNames // by folder; "." is the root
}

// packageNames is what one package declares.
type packageNames struct {
	name    string
	objects map[string]*objectNames // package-level names
	tests   map[string]bool         // Test, Fuzz, Benchmark and Example functions
	strings map[string]bool         // string literals of the tests (names of table rows) and of the code (routes)
}

// objectNames is a package-level name: its fields and methods, and the types whose members it takes over.
type objectNames struct {
	members map[string]bool
	from    []string // embedded types and alias targets as "dir.Name"
}

// indexNames reads the declarations of all files.
func indexNames(files []goFile) nameIndex {
	index := nameIndex{packages: make(map[string]*packageNames)}
	for _, file := range files {
		pkg := index.packages[file.dir()]
		if pkg == nil {
			pkg = &packageNames{
				objects: make(map[string]*objectNames),
				tests:   make(map[string]bool), strings: make(map[string]bool),
			}
			index.packages[file.dir()] = pkg
		}
		pkg.name = strings.TrimSuffix(file.ast.Name.Name, "_test")
		for _, decl := range file.ast.Decls {
			pkg.declare(file, decl)
		}
		ast.Inspect(file.ast, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					pkg.strings[text] = true
				}
			}
			return true
		})
	}
	return index
}

func (p *packageNames) object(name string) *objectNames {
	if p.objects[name] == nil {
		p.objects[name] = &objectNames{members: make(map[string]bool)}
	}
	return p.objects[name]
}

func (p *packageNames) declare(file goFile, decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		p.declareFunc(file, decl)
	case *ast.GenDecl:
		if file.isTest() {
			return
		}
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				p.declareType(file, spec)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					p.object(name.Name)
				}
			}
		}
	}
}

func (p *packageNames) declareFunc(file goFile, fn *ast.FuncDecl) {
	switch {
	case file.isTest():
		if fn.Recv == nil && isTestName(fn.Name.Name) {
			p.tests[fn.Name.Name] = true
		}
	case fn.Recv == nil:
		p.object(fn.Name.Name)
	default:
		if receiver, ok := strings.CutPrefix(typeName(file, fn.Recv.List[0].Type), file.dir()+"."); ok {
			p.object(receiver).members[fn.Name.Name] = true
		}
	}
}

func isTestName(name string) bool {
	for _, prefix := range []string{"Test", "Fuzz", "Benchmark", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (p *packageNames) declareType(file goFile, spec *ast.TypeSpec) {
	object := p.object(spec.Name.Name)
	var fields *ast.FieldList
	switch definition := spec.Type.(type) {
	case *ast.StructType:
		fields = definition.Fields
	case *ast.InterfaceType:
		fields = definition.Methods
	default:
		if spec.Assign.IsValid() { // an alias has its target's members
			object.from = append(object.from, typeName(file, spec.Type))
		}
		return
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			object.members[name.Name] = true
		}
		if len(field.Names) == 0 {
			embedded := typeName(file, field.Type)
			object.from = append(object.from, embedded)
			object.members[path.Ext(embedded)[1:]] = true
		}
	}
}

// typeName is the type as "dir.Name", resolved through the file's imports where it is ours.
func typeName(file goFile, expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return typeName(file, expr.X)
	case *ast.IndexExpr:
		return typeName(file, expr.X)
	case *ast.IndexListExpr:
		return typeName(file, expr.X)
	case *ast.Ident:
		return file.dir() + "." + expr.Name
	case *ast.SelectorExpr:
		if qualifier, ok := expr.X.(*ast.Ident); ok {
			return importedDir(file, qualifier.Name) + "." + expr.Sel.Name
		}
	}
	return "?.?"
}

// importedDir is the folder of the imported package of that name, or "?" if it isn't ours.
func importedDir(file goFile, name string) string {
	for _, spec := range file.ast.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil || local(importPath) == "" {
			continue
		}
		if spec.Name != nil && spec.Name.Name == name || spec.Name == nil && path.Base(importPath) == name {
			return local(importPath)
		}
	}
	return "?"
}

// find gives the package and the rest of a name like "realtime.Client.Watch" or "server/sqlite.Open".
func (x nameIndex) find(name string) (*packageNames, []string) {
	folder, base := path.Split(name)
	words := strings.Split(base, ".")
	for dir, pkg := range x.packages {
		fits := dir == folder+words[0] || folder == "" && (pkg.name == words[0] || path.Base(dir) == words[0])
		if fits && (pkg.name != "main" || folder != "") { // a command goes by its folder: all are called main
			return pkg, words[1:]
		}
	}
	return nil, nil
}

// has says whether the code declares "package", "package.Name" or "package.Type.Member".
func (x nameIndex) has(name string) bool {
	pkg, words := x.find(name)
	switch {
	case pkg == nil || len(words) > 2:
		return false
	case len(words) == 0:
		return true
	case pkg.objects[words[0]] == nil:
		return false
	case len(words) == 1:
		return true
	}
	return x.hasMember(pkg.objects[words[0]], words[1], 4)
}

// hasMember follows embedding and aliases, depth steps at most.
func (x nameIndex) hasMember(object *objectNames, member string, depth int) bool {
	if object == nil || depth == 0 {
		return false
	}
	if object.members[member] {
		return true
	}
	for _, from := range object.from {
		dir, name := strings.TrimSuffix(from, path.Ext(from)), path.Ext(from)[1:]
		pkg := x.packages[dir]
		if pkg != nil && x.hasMember(pkg.objects[name], member, depth-1) {
			return true
		}
	}
	return false
}

// hasTest says whether "package.TestName" exists, or "package.TestName#row": the row of a table in that test, whose
// name must stand in a string literal of the package.
func (x nameIndex) hasTest(name string) bool {
	name, row, _ := strings.Cut(name, "#")
	pkg, words := x.find(name)
	if pkg == nil || len(words) != 1 || !pkg.tests[words[0]] {
		return false
	}
	return row == "" || pkg.strings[row]
}

// hasRoute says whether package server names the path in a string literal ("GET /api/x" as well as "/api/x").
func (x nameIndex) hasRoute(route string) bool {
	pkg := x.packages["server"]
	if pkg == nil {
		return false
	}
	for text := range pkg.strings {
		if _, after, ok := strings.Cut(text, " "); ok {
			text = after
		}
		if text == route {
			return true
		}
	}
	return false
}
