package main

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

// Limits for readability: lines of a file and of a function, fields of a struct, methods of a
// type.
const (
	mostLines     = 400
	mostFuncLines = 60
	mostFields    = 32
	mostMethods   = 90
)

// TestSizes checks all code of the repository against these limits. Structs of settings have as
// many fields as there are settings.
func TestSizes(t *testing.T) {
	t.Parallel()
	fset, methods, files := token.NewFileSet(), map[string]int{}, 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if n := strings.Count(string(text), "\n"); n > mostLines {
			t.Errorf("%s: %d lines", path, n)
		}
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			checkDecl(t, fset, decl, methods)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range methods {
		if n > mostMethods {
			t.Errorf("%s: %d methods", name, n)
		}
	}
	if files < 300 {
		t.Errorf("only %d files were looked at", files)
	}
}

// checkDecl checks a function or the declared structs, and counts methods.
func checkDecl(t *testing.T, fset *token.FileSet, decl ast.Decl, methods map[string]int) {
	t.Helper()
	place := fset.Position(decl.Pos())
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if n := fset.Position(d.End()).Line - place.Line + 1; n > mostFuncLines {
			t.Errorf("%v: %s has %d lines", place, d.Name.Name, n)
		}
		if d.Recv != nil {
			methods[filepath.Dir(place.Filename)+" "+receiver(d.Recv.List[0].Type)]++
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			named, ok := spec.(*ast.TypeSpec)
			if !ok || named.Name.Name == "Config" || named.Name.Name == "Settings" {
				continue
			}
			if s, ok := named.Type.(*ast.StructType); ok && s.Fields.NumFields() > mostFields {
				t.Errorf("%v: %s has %d fields", place, named.Name.Name, s.Fields.NumFields())
			}
		}
	}
}

// receiver returns the name of a method's type.
func receiver(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiver(of.X)
	case *ast.IndexExpr:
		return receiver(of.X)
	case *ast.Ident:
		return of.Name
	}
	return ""
}
