package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/reference"
)

// TestReference writes the output and the exit codes into the reference. Other tests keep
// output.txt equal to the types that latchctl prints.
func TestReference(t *testing.T) {
	reference.Check(t, "output", "```\n"+strings.TrimSpace(outputFields)+"\n```", *updateGolden)

	file, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]string{{"code", "meaning"}}
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			if strings.HasPrefix(constant.Names[0].Name, "exit") {
				rows = append(rows, []string{constant.Values[0].(*ast.BasicLit).Value, strings.TrimSpace(constant.Comment.Text())})
			}
		}
	}
	if len(rows) < 6 {
		t.Fatalf("exit.go has too few exit codes: %q", rows)
	}
	reference.Check(t, "exit", reference.Table(rows), *updateGolden)
}
