package query

// Output is one column of a projection as SQL: an expression that gives the
// value's JSON text, or NULL where the value is undefined.
type Output struct {
	Name string
	SQL  string
	Args []any
}

// Outputs returns the query's columns as SQL. It is empty for SELECT *. If the
// query aggregates, they belong into a SELECT without an order or a limit.
func (q *Query) Outputs() []Output {
	var outputs []Output
	c := compiler{q.Collection}
	for _, column := range q.Columns {
		s := sql{text: "count(*)"}
		if path, ok := column.Expr.(*Path); ok {
			s = c.output(path)
		}
		outputs = append(outputs, Output{column.Name, s.text, s.args})
	}
	return outputs
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
