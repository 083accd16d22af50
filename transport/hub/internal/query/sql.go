package query

import (
	"strings"
	"time"
)

// sql is a piece of SQL text. args holds the arguments for its '?' parameters, in order.
type sql struct {
	text string
	args []any
}

// concat joins pieces of type string or sql. To prevent SQL injection, a string must be a
// constant of this package, never text from a query.
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

// bind returns a '?' parameter with the argument v.
func bind(v any) sql { return sql{"?", []any{v}} }

// undefined is NULL: SQL conditions treat NULL as the query language treats undefined.
var undefined = sql{text: "NULL"}

// SQL compiles the condition to an SQL expression with arguments for its '?' parameters.
// For each row, the expression is 1 (true), 0 (false) or NULL (undefined). A nil
// condition is always true. In the SQL statement, the tables must have these aliases:
//
//   - FROM devices: d for devices,
//   - FROM devices.jobs: r for device_jobs and j for jobs.
func (c *Condition) SQL(collection string) (where string, args []any) {
	if c == nil {
		return "1", nil
	}
	s := compiler{collection}.condition(c.Root)
	return s.text, s.args
}

// compiler compiles expressions to SQL. The expressions refer to documents of one
// collection.
type compiler struct{ collection string }

// value is a compiled operand of a comparison.
type value struct {
	class   class
	sql     sql
	json    string // only for class object: SQL for the object's JSON text
	literal any    // the value of a constant; otherwise nil

	// Only for class dynamic: where the value is in a JSON column, and SQL for its JSON
	// type.
	column, path string
	typ          sql
}

// condition compiles an expression to SQL that is 1 (true), 0 (false) or NULL
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

// joinBalanced joins terms with AND or OR. It nests them as a balanced tree, because
// SQLite limits the depth of expressions.
func joinBalanced(op string, terms []sql) sql {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	return concat("(", joinBalanced(op, terms[:half]), " "+op+" ", joinBalanced(op, terms[half:]), ")")
}

// value compiles an operand of a comparison or an argument of a function call.
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

// compare compiles a comparison. Values of different types give NULL (undefined).
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

// compareIfClass evaluates a comparison only in rows in which v has class c, and gives
// NULL in other rows. v is a value in a JSON column, whose type differs from row to row.
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

// compareNulls returns the SQL result of comparing null with null.
func compareNulls(op string) string {
	switch op {
	case "=", "<=", ">=":
		return "1"
	}
	return "0"
}

// typeFamily returns SQL for a number that stands for the value's kind of type, such as 2
// for integers and reals. Values can be compared if they have the same number.
func typeFamily(v value) sql {
	return concat("CASE ", v.typ, " WHEN 'text' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2"+
		" WHEN 'true' THEN 3 WHEN 'false' THEN 3 WHEN 'null' THEN 4 END")
}

// timestampOperands prepares the operands of a comparison in which at least one is a
// time. If the other operand is a time or a constant with a valid time, it compares
// times. Otherwise it compares text.
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

// asText converts a time to text. Other values stay unchanged.
func asText(v value) value {
	if v.class != timestamp {
		return v
	}
	return value{class: str, sql: timestampText(v.sql)}
}

// timestampText returns SQL that formats a time with microseconds. Because SQLite rounds
// divisions and remainders towards zero, the SQL makes the fraction of times before 1970
// positive.
func timestampText(micros sql) sql {
	fraction := concat("((", micros, " % 1000000) + 1000000) % 1000000")
	return concat("(strftime('%Y-%m-%dT%H:%M:%S', (", micros, " - (", fraction, ")) / 1000000, 'unixepoch')",
		" || printf('.%06dZ', (", fraction, ")))")
}

// parseTime parses a constant as a time in one of the ISO 8601 formats from IoT Hub's
// documentation. A time without a zone is UTC.
func parseTime(literal any) (time.Time, bool) {
	s, _ := literal.(string)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
