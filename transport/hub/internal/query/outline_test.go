package query

import (
	"fmt"
	"strings"
)

// outline returns a parsed query in a short notation for tests: columns as name=value,
// each operator before its operands in parentheses, and the names of a path joined by
// '/'.
func outline(q *Query) string {
	var b strings.Builder
	if q.Top > 0 {
		fmt.Fprintf(&b, "TOP %d ", q.Top)
	}

	if q.Star() {
		b.WriteString("* ")
	}
	for _, c := range q.Columns {
		fmt.Fprintf(&b, "%s=%s ", c.Name, outlineExpr(c.Expr))
	}
	b.WriteString("FROM " + q.Collection)

	if q.Where != nil {
		b.WriteString(" WHERE " + outlineExpr(q.Where.Root))
	}
	if len(q.GroupBy) > 0 {
		b.WriteString(" GROUP BY")
	}
	for _, path := range q.GroupBy {
		b.WriteString(" " + outlineExpr(path))
	}
	return b.String()
}

// outlineExpr returns one expression in the notation of the function outline.
func outlineExpr(e Expr) string {
	switch e := e.(type) {
	case *Literal:
		switch v := e.Value.(type) {
		case nil:
			return "null"
		case Undefined:
			return "undefined"
		case string:
			return fmt.Sprintf("%q", v)
		default:
			return fmt.Sprint(v)
		}
	case *Path:
		return strings.Join(e.Names, "/")
	case *Not:
		return list("NOT", e.X)
	case *Logic:
		return list(e.Op, e.Terms...)
	case *Compare:
		return list(e.Op, e.Left, e.Right)
	case *Arithmetic:
		return list(e.Op, e.Left, e.Right)
	case *Sign:
		return list(e.Op, e.X)
	case *In:
		operator := "IN"
		if e.Not {
			operator = "NIN"
		}
		operands := []Expr{e.X}
		for _, l := range e.List {
			operands = append(operands, l)
		}
		return list(operator, operands...)
	case *Call:
		return list(e.Name, e.Args...)
	case *Aggregate:
		if e.X == nil {
			return list(e.Name)
		}
		return list(e.Name, e.X)
	}
	panic(fmt.Sprintf("unknown node %T", e))
}

// list returns an operator followed by its operands in parentheses.
func list(operator string, operands ...Expr) string {
	text := "(" + operator
	for _, e := range operands {
		text += " " + outlineExpr(e)
	}
	return text + ")"
}
