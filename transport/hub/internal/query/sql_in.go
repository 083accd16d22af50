package query

import (
	"encoding/json"
	"slices"
)

// in compiles the operator IN. The SQL gives one of these results:
//
//   - true if the list contains the value,
//   - false if the list contains only other values, at least one of them of the same
//     type,
//   - NULL (undefined) if the list contains no value of the same type.
//
// All strings of the list share one parameter, and all numbers share another.
func (c compiler) in(e *In) sql {
	v := c.value(e.X)
	switch {
	case v.isTime():
		return inTimes(v, e.List)
	case v.class == boolean:
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

// inBooleans compiles the operator IN for the boolean expression x. The expression may be
// a long condition, so its SQL is used only once. Repeating it would make the SQL of
// nested lists grow exponentially.
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

// inTimes compiles the operator IN for a time. The parser has checked that the texts in
// the list are times.
func inTimes(v value, list []*Literal) sql {
	times := []int64{}
	for _, l := range list {
		if t, ok := parseTime(l.Value); ok {
			times = append(times, t.UnixMicro())
		}
	}

	if len(times) == 0 {
		return undefined
	}
	return inList(value{class: num, sql: v.micros}, num, times)
}

// inList compiles the operator IN for a list whose values all have class c.
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

// anyOf returns SQL that combines terms:
//
//   - true if any term is true,
//   - otherwise false if any term is false,
//   - otherwise NULL.
//
// SQL's OR would be NULL, not false, if one term is false and another is NULL.
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
