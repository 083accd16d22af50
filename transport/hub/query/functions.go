package query

import (
	"slices"
	"strings"
)

// function is what the parser and the compiler know of a function.
type function struct {
	args      int
	canonical string   // the name in the tree, where it is another
	types     []string // of a type check: what json_type gives for a value that passes
}

// functions has those that the documentation lists and that give a boolean.
var functions = map[string]function{
	"IS_DEFINED":   {args: 1, types: []string{"null", "true", "false", "integer", "real", "text", "array", "object"}},
	"IS_NULL":      {args: 1, types: []string{"null"}},
	"IS_BOOL":      {args: 1, types: []string{"true", "false"}},
	"IS_NUMBER":    {args: 1, types: []string{"integer", "real"}},
	"IS_STRING":    {args: 1, types: []string{"text"}},
	"IS_ARRAY":     {args: 1, types: []string{"array"}},
	"IS_OBJECT":    {args: 1, types: []string{"object"}},
	"IS_PRIMITIVE": {args: 1, types: []string{"null", "true", "false", "integer", "real", "text"}},
	"STARTS_WITH":  {args: 2},
	"ENDS_WITH":    {args: 2},
	"CONTAINS":     {args: 2},
	"STARTSWITH":   {args: 2, canonical: "STARTS_WITH"},
	"ENDSWITH":     {args: 2, canonical: "ENDS_WITH"},
}

func functionNames() string {
	var names []string
	for n, f := range functions {
		if f.canonical == "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
