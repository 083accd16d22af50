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
	literal any // the value of a constant; otherwise nil
	micros  sql // for one of the hub's times: SQL for Unix microseconds; otherwise empty

	// Only for class dynamic: SQL for the value's JSON text and for its JSON type. If
	// partial is set, json has members that sql lacks, such as $metadata.
	json, typ sql
	partial   bool
}

// isTime reports whether the value is one of the hub's times.
func (v value) isTime() bool { return v.micros.text != "" }

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
	case *Arithmetic:
		return value{class: num, sql: arithmetic(e.Op, number(c.value(e.Left)), number(c.value(e.Right)))}
	case *Sign:
		return value{class: num, sql: concat("("+e.Op, number(c.value(e.X)), ")")}
	}
	return value{class: boolean, sql: c.condition(e)}
}

// arithmetic compiles an arithmetic operation on two numbers of SQLite's type REAL.
func arithmetic(op string, x, y sql) sql {
	if op == "%" {
		return concat("mod(", x, ", ", y, ")") // SQLite's operator % ignores the fractions of its operands
	}
	return concat("(", x, " "+op+" ", y, ")")
}

// number compiles an operand of an arithmetic operation. The SQL is a REAL, as every
// number in JSON, or NULL if the operand is not a number.
func number(v value) sql {
	switch v.class {
	case num:
		return concat("CAST(", v.sql, " AS REAL)")
	case dynamic:
		return concat("(CASE WHEN ", v.typ, " IN ('integer', 'real') THEN CAST(", v.sql, " AS REAL) END)")
	}
	return undefined
}

// path compiles the path of a property.
func (c compiler) path(p *Path) value {
	f, below, ok := findField(c.collection, p.Names)
	if !ok {
		return value{}
	}

	v := value{class: f.class, sql: sql{text: f.column}}
	switch f.class {
	case timestamp:
		v.micros = v.sql
	case dynamic:
		column := f.column
		if f.omitEmpty && len(below) == 0 {
			column = "nullif(" + column + ", '{}')"
		}
		path := bind(jsonPath(below))
		v.sql = concat("json_extract("+column+", ", path, ")")
		v.typ = concat("json_type("+column+", ", path, ")")
		v.json = concat(column+" -> ", path)
		if f.json != "" && len(below) == 0 {
			v.json, v.partial = sql{text: f.json}, true
		}
		if isMetadataTime(f, below) {
			// The text has milliseconds, which a REAL of this size represents only
			// approximately.
			v.micros = concat("(CAST(round(1000 * unixepoch(", v.sql, ", 'subsec')) AS INTEGER) * 1000)")
		}
	}
	return v
}

// compare compiles a comparison. Values of different types give NULL (undefined).
func compare(op string, a, b value) sql {
	if a.isTime() || b.isTime() {
		return compareTimes(op, a, b)
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
	case a.class == str, a.class == num, a.class == boolean:
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

// compareTimes compiles a comparison of which at least one operand is a time. The parser
// has checked that the other operand is a time, too, or a constant. A constant that is
// not a text has another type.
func compareTimes(op string, a, b value) sql {
	x, y := micros(a), micros(b)
	if x.text == "" || y.text == "" {
		return undefined
	}
	return concat("(", x, " "+op+" ", y, ")")
}

// micros returns SQL for the Unix microseconds of a time or of a constant with a time.
// For other values it returns an empty text.
func micros(v value) sql {
	if t, ok := parseTime(v.literal); ok {
		return bind(t.UnixMicro())
	}
	return v.micros
}

// asText converts a time to text. Other values stay unchanged.
func asText(v value) value {
	if v.class != timestamp {
		return v
	}
	return value{class: str, sql: timestampText(v.sql)}
}

// timestampText returns SQL that formats a time as in the hub's documents: in RFC 3339,
// without zeros at the end of the fraction. Because SQLite rounds divisions and
// remainders towards zero, the SQL makes the fraction of times before 1970 positive.
func timestampText(micros sql) sql {
	fraction := concat("((", micros, " % 1000000) + 1000000) % 1000000")
	return concat("(strftime('%Y-%m-%dT%H:%M:%S', (", micros, " - (", fraction, ")) / 1000000, 'unixepoch')",
		" || rtrim(rtrim(printf('.%06d', (", fraction, ")), '0'), '.') || 'Z')")
}

// timeLayouts are the forms of a time in a query: the ISO 8601 formats from IoT Hub's
// documentation, and the same with a space instead of the T. A time without a zone is
// UTC.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04",
}

// parseTime parses a constant as a time.
func parseTime(literal any) (time.Time, bool) {
	s, _ := literal.(string)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
