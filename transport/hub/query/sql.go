package query

import (
	"strings"
	"time"
)

// sql is a piece of SQL text, with the arguments for its '?' parameters in order.
type sql struct {
	text string
	args []any
}

// concat joins pieces of type string or sql. A string must be a constant of this
// package, never a text from a query.
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

// bind returns SQL that passes v as a parameter.
func bind(v any) sql { return sql{"?", []any{v}} }

// Undefined compiles to NULL, because SQL treats NULL in conditions as the query
// language treats undefined.
var undefined = sql{text: "NULL"}

// SQL returns the condition as an SQL expression, and the arguments for its '?'
// parameters in order. For each row of the collection, the expression is 1 (true), 0
// (false) or NULL (undefined). A nil condition is always true. The expression uses the
// table aliases d (devices), or r and j (device_jobs and jobs).
func (c *Condition) SQL(collection string) (where string, args []any) {
	if c == nil {
		return "1", nil
	}
	s := compiler{collection}.condition(c.Root)
	return s.text, s.args
}

// compiler compiles expressions about one collection to SQL.
type compiler struct{ collection string }

// value is the compiled form of an operand.
type value struct {
	class   class
	sql     sql
	json    string // for class object: SQL that gives the object's JSON text
	literal any    // the operand's value, if it is a constant

	// The fields below are for class dynamic only: the position of the value in a JSON
	// column, and SQL that gives the value's JSON type.
	column, path string
	typ          sql
}

// condition compiles an expression to SQL whose value is 1 (true), 0 (false) or NULL
// (undefined).
func (c compiler) condition(e Expr) sql {
	switch e := e.(type) {
	case *Not:
		return concat("(NOT ", c.condition(e.X), ")")
	case *Logic:
		terms := make([]sql, len(e.Terms))
		for i, t := range e.Terms {
			terms[i] = c.condition(t)
		}
		return joinBalanced(e.Op, terms)
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

// joinBalanced joins terms with AND or OR. The result is a balanced tree, because SQLite
// limits the depth of expressions.
func joinBalanced(op string, terms []sql) sql {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	return concat("(", joinBalanced(op, terms[:half]), " "+op+" ", joinBalanced(op, terms[half:]), ")")
}

// value compiles an operand of a comparison, or an argument of a function call.
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

// path compiles the path of a property.
func (c compiler) path(p *Path) value {
	f, below, ok := findField(c.collection, p.Names)
	if !ok {
		return value{}
	}

	v := value{class: f.class, sql: sql{text: f.column}}
	if len(below) == 0 {
		v.json = f.json
	}
	if f.class == dynamic {
		v.column = f.column
		v.path = jsonPath(below)
		v.sql = concat("json_extract("+v.column+", ", bind(v.path), ")")
		v.typ = concat("json_type("+v.column+", ", bind(v.path), ")")
	}
	return v
}

// compare compiles a comparison. The result is NULL if the operands have different
// types.
func compare(op string, a, b value) sql {
	if a.class == timestamp || b.class == timestamp {
		a, b = timestampOperands(a, b)
	}

	switch {
	case a.class == dynamic && b.class == dynamic:
		return concat("(CASE WHEN ", typeFamily(a), " = ", typeFamily(b), " THEN CASE ", typeFamily(a),
			" WHEN 4 THEN "+compareNulls(op)+" ELSE ", a.sql, " "+op+" ", b.sql, " END END)")
	case a.class == dynamic:
		return compareIfClass(a, b.class, concat(a.sql, " "+op+" ", b.sql), op)
	case b.class == dynamic:
		return compareIfClass(b, a.class, concat(a.sql, " "+op+" ", b.sql), op)
	case a.class != b.class:
		return undefined
	case a.class == null:
		return sql{text: compareNulls(op)}
	case a.class == str, a.class == num, a.class == boolean, a.class == timestamp:
		return concat("(", a.sql, " "+op+" ", b.sql, ")")
	}
	return undefined
}

// compareIfClass limits a comparison to rows in which the JSON type of v belongs to
// class c. For other rows the result is NULL.
func compareIfClass(v value, c class, comparison sql, op string) sql {
	var types string
	switch c {
	case str:
		types = "('text')"
	case num:
		types = "('integer', 'real')"
	case boolean:
		types = "('true', 'false')"
	case null:
		return concat("(CASE ", v.typ, " WHEN 'null' THEN "+compareNulls(op)+" END)")
	default:
		return undefined
	}
	return concat("(CASE WHEN ", v.typ, " IN "+types+" THEN ", comparison, " END)")
}

// compareNulls returns the result of comparing null with null.
func compareNulls(op string) string {
	switch op {
	case "=", "<=", ">=":
		return "1"
	}
	return "0"
}

// typeFamily returns SQL for the number of a type family. Values can be compared if
// their JSON types are in the same family.
func typeFamily(v value) sql {
	return concat("CASE ", v.typ, " WHEN 'text' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2"+
		" WHEN 'true' THEN 3 WHEN 'false' THEN 3 WHEN 'null' THEN 4 END")
}

// timestampOperands prepares the operands of a comparison with a time. Two times are
// compared as times, and so are a time and a constant that can be parsed as a time.
// Otherwise the time is compared as text.
func timestampOperands(a, b value) (value, value) {
	if a.class == timestamp && b.class == timestamp {
		return a, b
	}
	if t, ok := parseTime(b.literal); ok {
		return a, value{class: timestamp, sql: bind(t.UnixMicro())}
	}
	if t, ok := parseTime(a.literal); ok {
		return value{class: timestamp, sql: bind(t.UnixMicro())}, b
	}
	return asText(a), asText(b)
}

// asText converts a time to its text and returns other values unchanged.
func asText(v value) value {
	if v.class != timestamp {
		return v
	}
	return value{class: str, sql: timestampText(v.sql)}
}

// timestampText returns SQL for the text of a time. The text always has microseconds.
// SQLite's division and remainder round towards zero. So for times before 1970, the
// fraction is made positive first.
func timestampText(micros sql) sql {
	fraction := concat("((", micros, " % 1000000) + 1000000) % 1000000")
	return concat("(strftime('%Y-%m-%dT%H:%M:%S', (", micros, " - (", fraction, ")) / 1000000, 'unixepoch')",
		" || printf('.%06dZ', (", fraction, ")))")
}

// parseTime parses a constant in one of the ISO 8601 forms that IoT Hub's documentation
// uses. A time without a zone is in UTC.
func parseTime(literal any) (time.Time, bool) {
	s, _ := literal.(string)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
