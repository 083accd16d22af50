package query

import "strings"

// Output is one selected column as an SQL expression. The expression gives the JSON text
// of a value, or NULL if the value is undefined.
type Output struct {
	Name string
	SQL  string
	Args []any
}

// Outputs returns the selected columns as SQL expressions. For SELECT * it returns nil.
// If the query aggregates, the caller must use the expressions in a SELECT with the
// GROUP BY clause that Groups returns.
func (q *Query) Outputs() []Output {
	var outputs []Output
	c := compiler{q.Collection}

	for _, column := range q.Columns {
		var s sql
		switch e := column.Expr.(type) {
		case *Path:
			s = c.output(e)
			if q.Aggregates() {
				// A group can contain several spellings of one value, such as 3 and 3.0.
				// Use the smallest.
				s = concat("min(", s, ")")
			}
		case *Aggregate:
			s = c.aggregate(e)
		}
		outputs = append(outputs, Output{column.Name, s.text, s.args})
	}
	return outputs
}

// Groups returns a list of expressions for SQL's GROUP BY and ORDER BY, and their
// arguments. If the query has no GROUP BY, the list is empty. Equal values form one
// group, and so do all undefined values.
func (q *Query) Groups() (list string, args []any) {
	c := compiler{q.Collection}
	var keys []string
	add := func(key sql) {
		keys = append(keys, key.text)
		args = append(args, key.args...)
	}

	for _, path := range q.GroupBy {
		v := c.path(path)
		if v.class == dynamic {
			add(concat("(CASE ", v.typ, " WHEN 'real' THEN 'integer' ELSE ", v.typ, " END)"))
			add(v.sql)
			continue
		}
		// Skip a constant, because SQLite would read it as the number of a column.
		if key := c.output(path); key.text != undefined.text {
			add(key)
		}
	}

	if len(q.GroupBy) > 0 && len(keys) == 0 {
		// All properties are undefined. The following expression puts all documents into
		// one group. Without documents it makes no group.
		keys = []string{"d.id IS NULL"}
	}
	return strings.Join(keys, ", "), args
}

// aggregate compiles an aggregate function, such as SUM. A result that is not a finite
// number is undefined.
func (c compiler) aggregate(a *Aggregate) sql {
	if a.X == nil {
		return sql{text: "count(*)"}
	}

	v := c.path(a.X)
	numbers := undefined
	switch v.class {
	case num:
		numbers = v.sql
	case dynamic:
		numbers = concat("CASE WHEN ", v.typ, " IN ('integer', 'real') THEN ", v.sql, " END")
	}

	// Without the cast to REAL, SQLite fails if a sum of integers overflows.
	n := concat(strings.ToLower(a.Name)+"(CAST(", numbers, " AS REAL))")
	return concat("CASE WHEN ", n, " IS NULL OR abs(", n, ") > 1.7976931348623157e308 THEN NULL WHEN abs(", n, ") < 9e15 AND ",
		n, " = CAST(", n, " AS INTEGER) THEN json_quote(CAST(", n, " AS INTEGER)) ELSE json_quote(", n, ") END")
}

// output compiles a property to SQL that gives its JSON text.
func (c compiler) output(p *Path) sql {
	v := c.path(p)
	switch {
	case v.json != "":
		return sql{text: v.json}
	case v.class == dynamic:
		return concat(v.column+" -> ", bind(v.path))
	case v.class == boolean:
		return concat("iif(", v.sql, ", 'true', 'false')")
	case v.class == timestamp:
		return concat("json_quote(", timestampText(v.sql), ")")
	case v.class == str, v.class == num:
		return concat("iif(", v.sql, " IS NULL, NULL, json_quote(", v.sql, "))")
	}
	return undefined
}
