package query

import (
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
