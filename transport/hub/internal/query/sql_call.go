package query

import (
	"slices"
	"strings"
)

// call compiles a function call. A type check of an undefined value is false. A string
// function is undefined unless both arguments are strings.
func (c compiler) call(e *Call) sql {
	f := functions[e.Name]
	if f.types != nil {
		return typeCheck(c.value(e.Args[0]), f.types)
	}

	x, y := asText(c.value(e.Args[0])), asText(c.value(e.Args[1]))
	result := concat("(", stringFunction(e.Name, x.sql, y.sql), ")")
	for _, v := range []value{y, x} {
		switch v.class {
		case str:
		case dynamic:
			result = compareIfClass(v, str, result, "=")
		default:
			return undefined
		}
	}
	return result
}

// stringFunction compiles a function of two strings, such as STARTS_WITH.
func stringFunction(name string, x, y sql) sql {
	switch name {
	case "STARTS_WITH":
		return concat("instr(", x, ", ", y, ") = 1")
	case "ENDS_WITH":
		// Compare the strings as blobs, because SQLite's length function stops at U+0000
		// in a text. Check the lengths first, because SQLite's substr returns NULL for an
		// empty blob.
		whole := concat("CAST(", x, " AS BLOB)")
		tail := concat("CAST(", y, " AS BLOB)")
		return concat("length(", tail, ") = 0 OR length(", tail, ") <= length(", whole, ") AND substr(", whole, ", -length(", tail, ")) = ", tail)
	}
	return concat("instr(", x, ", ", y, ") > 0") // CONTAINS
}

// typeCheck compiles a function such as IS_STRING, which is true if the value's JSON type
// is one of types.
func typeCheck(v value, types []string) sql {
	definedIf := func(jsonType string) sql {
		if !slices.Contains(types, jsonType) {
			return sql{text: "0"}
		}
		return concat("(", v.sql, " IS NOT NULL)")
	}

	switch v.class {
	case str, timestamp:
		return definedIf("text")
	case num:
		return definedIf("integer")
	case boolean:
		return definedIf("true")
	case null:
		return boolSQL(slices.Contains(types, "null"))
	case dynamic:
		return concat("(coalesce(", v.typ, ", '') IN ('"+strings.Join(types, "', '")+"'))")
	}
	return sql{text: "0"}
}

func boolSQL(b bool) sql {
	if b {
		return sql{text: "1"}
	}
	return sql{text: "0"}
}
