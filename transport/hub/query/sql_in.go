package query

import (
	"encoding/json"
	"slices"
)

// in compiles the operator IN. Its result is true if the value equals a constant of the
// list. Otherwise the result is false if the list has a constant of the value's type,
// and undefined if not. All strings of the list become one SQL parameter, and so do all
// numbers.
func (c compiler) in(e *In) sql {
	v := c.value(e.X)
	switch v.class {
	case timestamp:
		return inTimestamps(v, e.List)
	case boolean:
		return inBooleans(v.sql, e.List)
	}

	strs, nums := []string{}, []float64{}
	var terms []sql
	var others []any // constants that are neither strings nor numbers
	for _, l := range e.List {
		switch x := l.Value.(type) {
		case string:
			strs = append(strs, x)
		case float64:
			nums = append(nums, x)
		default:
			if !slices.Contains(others, l.Value) {
				others = append(others, l.Value)
				terms = append(terms, compare("=", v, c.value(l)))
			}
		}
	}

	if len(strs) > 0 {
		terms = append(terms, inList(v, str, strs))
	}
	if len(nums) > 0 {
		terms = append(terms, inList(v, num, nums))
	}
	return anyOf(terms)
}

// inBooleans compiles the operator IN for a boolean x. The SQL contains x only once. x
// may be a whole condition, and if it were repeated, nested lists would grow
// exponentially.
func inBooleans(x sql, list []*Literal) sql {
	listHas := func(b bool) bool {
		return slices.ContainsFunc(list, func(l *Literal) bool { return l.Value == b })
	}

	switch {
	case listHas(true) && listHas(false):
		return concat("(CASE WHEN ", x, " IS NOT NULL THEN 1 END)")
	case listHas(true):
		return x
	case listHas(false):
		return concat("(NOT ", x, ")")
	}
	return undefined
}

// inTimestamps compiles the operator IN for a time. Constants that can be parsed as
// times are compared as times, all other strings as text.
func inTimestamps(v value, list []*Literal) sql {
	times, strs := []int64{}, []string{}
	for _, l := range list {
		if t, ok := parseTime(l.Value); ok {
			times = append(times, t.UnixMicro())
		} else if s, ok := l.Value.(string); ok {
			strs = append(strs, s)
		}
	}

	var terms []sql
	if len(times) > 0 {
		terms = append(terms, inList(v, timestamp, times))
	}
	if len(strs) > 0 {
		terms = append(terms, inList(asText(v), str, strs))
	}
	return anyOf(terms)
}

// inList compiles the operator IN for a list whose constants are all of class c.
func inList(v value, c class, list any) sql {
	if v.class != dynamic && v.class != c {
		return undefined
	}

	text, _ := json.Marshal(list)
	in := concat(v.sql, " IN (SELECT value FROM json_each(", bind(string(text)), "))")
	if v.class == dynamic {
		return compareIfClass(v, c, in, "=")
	}
	return concat("(", in, ")")
}

// anyOf returns SQL that is true if any term is true. Otherwise it is false if any term
// is false, and NULL if all terms are NULL. SQL's OR does not work here: it is NULL if
// one term is false and another is NULL.
func anyOf(terms []sql) sql {
	switch len(terms) {
	case 0:
		return undefined
	case 1:
		return terms[0]
	}

	pieces := []any{"(CASE"}
	for _, t := range terms {
		pieces = append(pieces, " WHEN ", t, " THEN 1")
	}
	for _, t := range terms {
		pieces = append(pieces, " WHEN NOT ", t, " THEN 0")
	}
	return concat(append(pieces, " END)")...)
}
