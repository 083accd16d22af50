package query

import (
	"slices"
	"strings"
)

// function describes a function of the query language.
type function struct {
	args  int      // the number of arguments
	alias string   // preferred name, if the function has two names
	types []string // only for type checks: the accepted types, as named by SQLite's json_type
}

// functions lists the boolean functions from IoT Hub's documentation.
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
	"STARTSWITH":   {args: 2, alias: "STARTS_WITH"},
	"ENDSWITH":     {args: 2, alias: "ENDS_WITH"},
}

// functionNames returns the names of all functions, for error messages.
func functionNames() string {
	var names []string

	for n, f := range functions {
		if f.alias == "" {
			names = append(names, n)
		}
	}

	slices.Sort(names)
	return strings.Join(names, ", ")
}
