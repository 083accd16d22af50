package query

import "strings"

// Output is a selected column, compiled to SQL. The SQL expression gives a value's JSON
// text, or NULL if the value is undefined.
type Output struct {
	Name string
	SQL  string
	Args []any
}

// Outputs compiles the selected columns to SQL expressions. For SELECT * it returns nil.
// If the query aggregates, use the expressions in a statement that also has the GROUP BY
// clause from Groups.
func (q *Query) Outputs() []Output {
	var outputs []Output
	c := compiler{q.Collection}

	for _, column := range q.Columns {
		var s sql
		switch e := column.Expr.(type) {
		case *Path:
			s = c.output(e)
			if q.Aggregates() {
				// Equal values in a group may be written differently, such as 3 and 3.0.
				// Use the smallest text.
				s = concat("min(", s, ")")
			}
		case *Aggregate:
			s = c.aggregate(e)
		}
		outputs = append(outputs, Output{column.Name, s.text, s.args})
	}
	return outputs
}

// Groups compiles the GROUP BY clause to a list of SQL expressions with their arguments.
// The list can follow GROUP BY and ORDER BY in SQL. It is empty if the query has no GROUP
// BY clause. Equal values form one group, and all undefined values form another.
func (q *Query) Groups() (list string, args []any) {
	c := compiler{q.Collection}
	var keys []string
	add := func(key sql) {
		keys = append(keys, key.text)
		args = append(args, key.args...)
	}

	for _, path := range q.GroupBy {
		v := c.path(path)
		if v.class == dynamic && !v.partial {
			add(concat("(CASE ", v.typ, " WHEN 'real' THEN 'integer' ELSE ", v.typ, " END)"))
			add(v.sql)
			continue
		}
		// Leave out undefined properties, because they do not divide the documents into
		// groups.
		if key := c.output(path); key.text != undefined.text {
			add(key)
		}
	}

	if len(q.GroupBy) > 0 && len(keys) == 0 {
		// All properties in the GROUP BY clause are undefined. Group by an expression
		// that has the same value for all documents. Then all documents form one group,
		// and no documents form no group.
		keys = []string{"d.id IS NULL"}
	}
	return strings.Join(keys, ", "), args
}

// aggregate compiles an aggregate function, such as SUM. If its result is not a finite
// number, it is undefined.
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

	// Without the cast to REAL, SQLite returns an error if a sum of integers overflows.
	n := concat(strings.ToLower(a.Name)+"(CAST(", numbers, " AS REAL))")
	return concat("CASE WHEN ", n, " IS NULL OR abs(", n, ") > 1.7976931348623157e308 THEN NULL WHEN abs(", n, ") < 9e15 AND ",
		n, " = CAST(", n, " AS INTEGER) THEN json_quote(CAST(", n, " AS INTEGER)) ELSE json_quote(", n, ") END")
}

// output compiles a property to SQL that returns the property's JSON text.
func (c compiler) output(p *Path) sql {
	v := c.path(p)
	switch {
	case v.class == dynamic:
		return v.json
	case v.class == boolean:
		return concat("iif(", v.sql, ", 'true', 'false')")
	case v.class == timestamp:
		return concat("json_quote(", timestampText(v.sql), ")")
	case v.class == str, v.class == num:
		return concat("iif(", v.sql, " IS NULL, NULL, json_quote(", v.sql, "))")
	}
	return undefined
}
