package query

import (
	"encoding/json"
	"slices"
)

// in compiles membership: true if the value equals one of the list, false if it
// equals none though its type occurs, else undefined. The strings and numbers of
// the list are one parameter each, however long the list is.
func (c compiler) in(e *In) sql {
	v := c.value(e.X)
	if v.class == moment {
		return inMoments(v, e.List)
	}
	if v.class == boolean {
		return inBooleans(v.sql, e.List)
	}
	strs, nums := []string{}, []float64{}
	var terms []sql
	var seen []any
	for _, l := range e.List {
		switch x := l.Value.(type) {
		case string:
			strs = append(strs, x)
		case float64:
			nums = append(nums, x)
		default:
			if !slices.Contains(seen, l.Value) {
				seen = append(seen, l.Value)
				terms = append(terms, compare("=", v, c.value(l)))
			}
		}
	}
	if len(strs) > 0 {
		terms = append(terms, member(v, str, strs))
	}
	if len(nums) > 0 {
		terms = append(terms, member(v, num, nums))
	}
	return anyOf(terms)
}

// inBooleans compiles the membership of a boolean. x may be a whole condition and
// appears once only, or nested lists would grow without bound.
func inBooleans(x sql, list []*Literal) sql {
	is := func(b bool) bool {
		return slices.ContainsFunc(list, func(l *Literal) bool { return l.Value == b })
	}
	switch {
	case is(true) && is(false):
		return concat("(CASE WHEN ", x, " IS NOT NULL THEN 1 END)")
	case is(true):
		return x
	case is(false):
		return concat("(NOT ", x, ")")
	}
	return undefined
}

// inMoments compiles the membership of a time: constants that are times compare as
// times, other strings as text.
func inMoments(v value, list []*Literal) sql {
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
		terms = append(terms, member(v, moment, times))
	}
	if len(strs) > 0 {
		terms = append(terms, member(asText(v), str, strs))
	}
	return anyOf(terms)
}

// member compiles the membership in a list of one class.
func member(v value, c class, list any) sql {
	text, _ := json.Marshal(list)
	if v.class != dynamic && v.class != c {
		return undefined
	}
	in := concat(v.sql, " IN (SELECT value FROM json_each(", bind(string(text)), "))")
	if v.class == dynamic {
		return guarded(v, c, in, "=")
	}
	return concat("(", in, ")")
}

// anyOf is true if a term is, else false if a term is, else NULL: unlike OR, it
// is not undefined because one of the list has another type.
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
