package query

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// sql is a piece of SQL and the arguments of its '?' parameters in order.
type sql struct {
	text string
	args []any
}

// concat puts pieces together; strings are SQL of this package's own.
func concat(pieces ...any) sql {
	var b strings.Builder
	var args []any
	for _, p := range pieces {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
		case sql:
			b.WriteString(p.text)
			args = append(args, p.args...)
		}
	}
	return sql{b.String(), args}
}

func bind(v any) sql { return sql{"?", []any{v}} }

// undefined is SQL's NULL: its logic of three values is that of the language.
var undefined = sql{text: "NULL"}

// SQL returns the condition as an expression of SQL that is 1, 0 or NULL for a
// row of the collection, and the arguments of its '?' parameters in order. A nil
// condition is true for every row. Tables have the names d (devices), or r and j
// (device_jobs and jobs).
func (c *Condition) SQL(collection string) (where string, args []any) {
	if c == nil {
		return "1", nil
	}
	s := compiler{collection}.condition(c.Root)
	return s.text, s.args
}

// compiler turns expressions of one collection into SQL.
type compiler struct{ collection string }

// value is an operand: its class, the SQL of its value and, where the class is
// dynamic, that of its JSON type.
type value struct {
	class   class
	sql     sql
	typ     sql
	literal any    // of a constant
	path    []any  // of a dynamic one: column and path, for projections
	json    string // of an object
}

// condition compiles an expression of which the truth is asked.
func (c compiler) condition(e Expr) sql {
	switch e := e.(type) {
	case *Not:
		return concat("(NOT ", c.condition(e.X), ")")
	case *Logic:
		terms := make([]sql, len(e.Terms))
		for i, t := range e.Terms {
			terms[i] = c.condition(t)
		}
		return balance(e.Op, terms)
	case *Compare:
		return compare(e.Op, c.value(e.Left), c.value(e.Right))
	case *In:
		in := c.in(e)
		if e.Not {
			return concat("(NOT ", in, ")")
		}
		return in
	case *Call:
		return c.call(e)
	}
	switch v := c.value(e); v.class {
	case boolean:
		return v.sql
	case dynamic:
		return concat("(CASE ", v.typ, " WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)")
	}
	return undefined
}

// balance joins terms as a tree of little depth, for SQLite bounds the depth.
func balance(op string, terms []sql) sql {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	return concat("(", balance(op, terms[:half]), " "+op+" ", balance(op, terms[half:]), ")")
}

// value compiles an expression of which the value is asked.
func (c compiler) value(e Expr) value {
	switch e := e.(type) {
	case *Literal:
		switch v := e.Value.(type) {
		case nil:
			return value{class: null}
		case string:
			return value{class: str, sql: bind(v), literal: v}
		case float64:
			return value{class: num, sql: bind(v), literal: v}
		case bool:
			return value{class: boolean, sql: bind(v), literal: v}
		}
		return value{}
	case *Path:
		return c.path(e)
	}
	return value{class: boolean, sql: c.condition(e)}
}

func (c compiler) path(p *Path) value {
	f, below, ok := find(c.collection, p.Names)
	if !ok {
		return value{}
	}
	v := value{class: f.class, sql: sql{text: f.column}}
	if len(below) == 0 {
		v.json = f.json
	}
	if f.class == dynamic {
		at := jsonPath(below)
		v.sql = concat("json_extract("+f.column+", ", bind(at), ")")
		v.typ = concat("json_type("+f.column+", ", bind(at), ")")
		v.path = []any{f.column, at}
	}
	return v
}

// compare compiles a comparison. It is NULL unless both sides are of one type.
func compare(op string, a, b value) sql {
	if a.class == moment || b.class == moment {
		a, b = asMoments(a, b)
	}
	switch {
	case a.class == dynamic && b.class == dynamic:
		return concat("(CASE WHEN ", family(a), " = ", family(b), " THEN CASE ", family(a),
			" WHEN 4 THEN "+nulls(op)+" ELSE ", a.sql, " "+op+" ", b.sql, " END END)")
	case a.class == dynamic:
		return guarded(a, b.class, concat(a.sql, " "+op+" ", b.sql), op)
	case b.class == dynamic:
		return guarded(b, a.class, concat(a.sql, " "+op+" ", b.sql), op)
	case a.class != b.class:
		return undefined
	case a.class == null:
		return sql{text: nulls(op)}
	case a.class == str, a.class == num, a.class == boolean, a.class == moment:
		return concat("(", a.sql, " "+op+" ", b.sql, ")")
	}
	return undefined
}

// guarded compares only where v's JSON type is of the class.
func guarded(v value, c class, comparison sql, op string) sql {
	var types string
	switch c {
	case str:
		types = "('text')"
	case num:
		types = "('integer', 'real')"
	case boolean:
		types = "('true', 'false')"
	case null:
		return concat("(CASE ", v.typ, " WHEN 'null' THEN "+nulls(op)+" END)")
	default:
		return undefined
	}
	return concat("(CASE WHEN ", v.typ, " IN "+types+" THEN ", comparison, " END)")
}

// nulls compares null with null.
func nulls(op string) string {
	switch op {
	case "=", "<=", ">=":
		return "1"
	}
	return "0"
}

// family numbers the types that compare with each other.
func family(v value) sql {
	return concat("CASE ", v.typ, " WHEN 'text' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2"+
		" WHEN 'true' THEN 3 WHEN 'false' THEN 3 WHEN 'null' THEN 4 END")
}

// asMoments prepares the comparison of a time with something else: two times, or
// a time with a constant that is one, compare as times, all else as text.
func asMoments(a, b value) (value, value) {
	if a.class == moment && b.class == moment {
		return a, b
	}
	if t, ok := parseTime(b.literal); ok {
		return a, value{class: moment, sql: bind(t.UnixMicro())}
	}
	if t, ok := parseTime(a.literal); ok {
		return value{class: moment, sql: bind(t.UnixMicro())}, b
	}
	return asText(a), asText(b)
}

func asText(v value) value {
	if v.class != moment {
		return v
	}
	return value{class: str, sql: momentText(v.sql)}
}

// momentText gives a time as the documents show it, but always to the
// microsecond. Division rounds towards zero, hence the two steps.
func momentText(micros sql) sql {
	return concat("(strftime('%Y-%m-%dT%H:%M:%S', (", micros, " - ((", micros, " % 1000000) + 1000000) % 1000000) / 1000000, 'unixepoch')",
		" || printf('.%06dZ', ((", micros, " % 1000000) + 1000000) % 1000000))")
}

// parseTime reads the forms of ISO 8601 that the documentation's examples use;
// without a zone it is UTC.
func parseTime(literal any) (time.Time, bool) {
	s, _ := literal.(string)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// in compiles membership: true if the value equals one of the list, false if it
// equals none though its type occurs, else undefined. The strings and numbers of
// the list are one parameter each, however long the list is.
func (c compiler) in(e *In) sql {
	v := c.value(e.X)
	if v.class == moment {
		var terms []sql
		for _, l := range e.List {
			terms = append(terms, compare("=", v, c.value(l)))
		}
		return anyOf(terms)
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
