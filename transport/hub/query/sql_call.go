package query

import (
	"slices"
	"strings"
)

// call compiles a function. A type check of an undefined value is false; the
// functions of strings are undefined for anything else than strings.
func (c compiler) call(e *Call) sql {
	f := functions[e.Name]
	if f.types != nil {
		return c.typeCheck(c.value(e.Args[0]), f.types)
	}
	x, y := asText(c.value(e.Args[0])), asText(c.value(e.Args[1]))
	var result sql
	switch e.Name {
	case "STARTS_WITH":
		result = concat("instr(", x.sql, ", ", y.sql, ") = 1")
	case "ENDS_WITH":
		// As bytes: the length of text ends at a character 0. The lengths come first,
		// for substr of an empty blob is NULL.
		whole, tail := concat("CAST(", x.sql, " AS BLOB)"), concat("CAST(", y.sql, " AS BLOB)")
		result = concat("length(", tail, ") = 0 OR length(", tail, ") <= length(", whole, ") AND substr(", whole, ", -length(", tail, ")) = ", tail)
	case "CONTAINS":
		result = concat("instr(", x.sql, ", ", y.sql, ") > 0")
	}
	result = concat("(", result, ")")
	for _, v := range []value{y, x} {
		switch v.class {
		case str:
		case dynamic:
			result = guarded(v, str, result, "=")
		default:
			return undefined
		}
	}
	return result
}

func (c compiler) typeCheck(v value, types []string) sql {
	has := func(t string) bool { return slices.Contains(types, t) }
	present := func(is bool) sql {
		if !is {
			return sql{text: "0"}
		}
		return concat("(", v.sql, " IS NOT NULL)")
	}
	switch v.class {
	case str, moment:
		return present(has("text"))
	case num:
		return present(has("integer"))
	case boolean:
		return present(has("true"))
	case null:
		return boolText(has("null"))
	case object:
		return boolText(has("object"))
	case dynamic:
		return concat("(coalesce(", v.typ, ", '') IN ('"+strings.Join(types, "', '")+"'))")
	}
	return sql{text: "0"}
}

func boolText(b bool) sql {
	if b {
		return sql{text: "1"}
	}
	return sql{text: "0"}
}
