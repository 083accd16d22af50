package query

import "strings"

// Output is one column of a projection as SQL: an expression that gives the
// value's JSON text, or NULL where the value is undefined.
type Output struct {
	Name string
	SQL  string
	Args []any
}

// Outputs returns the query's columns as SQL. It is empty for SELECT *. If the
// query aggregates, they belong into a SELECT with what Groups returns.
func (q *Query) Outputs() []Output {
	var outputs []Output
	c := compiler{q.Collection}
	for _, column := range q.Columns {
		var s sql
		switch e := column.Expr.(type) {
		case *Path:
			if s = c.output(e); q.Aggregates() {
				s = concat("min(", s, ")") // of one group: 3 and 3.0 are one value, written in two ways
			}
		case *Aggregate:
			s = c.aggregate(e)
		}
		outputs = append(outputs, Output{column.Name, s.text, s.args})
	}
	return outputs
}

// Groups returns the list of expressions that a GROUP BY and an ORDER BY of SQL
// take, and its arguments; empty if there is no GROUP BY. Values that the
// language holds equal are one group, and so are all that are undefined.
func (q *Query) Groups() (list string, args []any) {
	c := compiler{q.Collection}
	var keys []string
	for _, path := range q.GroupBy {
		v := c.path(path)
		if v.class == dynamic {
			typ := concat("(CASE ", v.typ, " WHEN 'real' THEN 'integer' ELSE ", v.typ, " END)")
			keys, args = append(keys, typ.text), append(args, typ.args...)
		} else {
			v.sql = c.output(path)
		}
		if v.sql.text == undefined.text {
			continue // a constant would be taken for a column's number
		}
		keys, args = append(keys, v.sql.text), append(args, v.sql.args...)
	}
	if len(q.GroupBy) > 0 && len(keys) == 0 {
		keys = []string{"d.id IS NULL"} // all are undefined: one group, and none of no documents
	}
	return strings.Join(keys, ", "), args
}

// aggregate compiles an aggregate. What is no finite number is undefined.
func (c compiler) aggregate(a *Aggregate) sql {
	if a.X == nil {
		return sql{text: "count(*)"}
	}
	v := c.path(a.X)
	numbers := sql{text: "NULL"}
	switch v.class {
	case num:
		numbers = v.sql
	case dynamic:
		numbers = concat("CASE WHEN ", v.typ, " IN ('integer', 'real') THEN ", v.sql, " END")
	}
	// As REAL: a sum of integers that overflows is an error to SQLite.
	n := concat(strings.ToLower(a.Name)+"(CAST(", numbers, " AS REAL))")
	return concat("CASE WHEN ", n, " IS NULL OR abs(", n, ") > 1.7976931348623157e308 THEN NULL WHEN abs(", n, ") < 9e15 AND ",
		n, " = CAST(", n, " AS INTEGER) THEN json_quote(CAST(", n, " AS INTEGER)) ELSE json_quote(", n, ") END")
}

func (c compiler) output(p *Path) sql {
	v := c.path(p)
	switch {
	case v.json != "":
		return sql{text: v.json}
	case v.class == dynamic:
		return concat(v.path[0].(string)+" -> ", bind(v.path[1]))
	case v.class == boolean:
		return concat("iif(", v.sql, ", 'true', 'false')")
	case v.class == moment:
		return concat("json_quote(", momentText(v.sql), ")")
	case v.class == str, v.class == num:
		return concat("iif(", v.sql, " IS NULL, NULL, json_quote(", v.sql, "))")
	}
	return undefined
}
