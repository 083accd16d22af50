package query

import (
	"strconv"
	"strings"
	"unicode"
)

// String returns the query's text. Parsed again, it gives the same tree but for
// the positions.
func (q *Query) String() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	if q.Top > 0 {
		b.WriteString("TOP " + strconv.Itoa(q.Top) + " ")
	}
	if q.Star() {
		b.WriteByte('*')
	}
	for i, c := range q.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		printExpr(&b, c.Expr)
		if path, ok := c.Expr.(*Path); !ok || path.Names[len(path.Names)-1] != c.Name {
			b.WriteString(" AS ")
			b.WriteString(bareName(c.Name))
		}
	}
	b.WriteString(" FROM " + q.Collection)
	if q.Where != nil {
		b.WriteString(" WHERE ")
		printExpr(&b, q.Where.Root)
	}
	for i, path := range q.GroupBy {
		if i == 0 {
			b.WriteString(" GROUP BY ")
		} else {
			b.WriteString(", ")
		}
		printPath(&b, path)
	}
	return b.String()
}

// String returns the condition's text, "*" for nil.
func (c *Condition) String() string {
	if c == nil {
		return "*"
	}
	var b strings.Builder
	printExpr(&b, c.Root)
	return b.String()
}

func printExpr(b *strings.Builder, e Expr) {
	switch e := e.(type) {
	case *Literal:
		b.WriteString(literalText(e.Value))
	case *Path:
		printPath(b, e)
	case *Not:
		b.WriteString("NOT ")
		_, logic := e.X.(*Logic)
		printGroup(b, e.X, logic)
	case *Logic:
		for i, term := range e.Terms {
			if i > 0 {
				b.WriteString(" " + e.Op + " ")
			}
			_, logic := term.(*Logic)
			printGroup(b, term, logic && !(e.Op == "OR" && term.(*Logic).Op == "AND"))
		}
	case *Compare:
		printOperand(b, e.Left)
		b.WriteString(" " + e.Op + " ")
		printOperand(b, e.Right)
	case *In:
		printOperand(b, e.X)
		if e.Not {
			b.WriteString(" NIN [")
		} else {
			b.WriteString(" IN [")
		}
		for i, l := range e.List {
			if i > 0 {
				b.WriteString(", ")
			}
			printExpr(b, l)
		}
		b.WriteByte(']')
	case *Call:
		b.WriteString(e.Name + "(")
		for i, arg := range e.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			printOperand(b, arg)
		}
		b.WriteByte(')')
	case *Aggregate:
		b.WriteString(e.Name + "(")
		if e.X != nil {
			printPath(b, e.X)
		}
		b.WriteByte(')')
	}
}

// printOperand prints what stands at a side of an operator.
func printOperand(b *strings.Builder, e Expr) {
	switch e.(type) {
	case *Literal, *Path, *Call:
		printExpr(b, e)
	default:
		printGroup(b, e, true)
	}
}

func printGroup(b *strings.Builder, e Expr, parentheses bool) {
	if parentheses {
		b.WriteByte('(')
	}
	printExpr(b, e)
	if parentheses {
		b.WriteByte(')')
	}
}

func printPath(b *strings.Builder, p *Path) {
	for i, n := range p.Names {
		switch {
		case i > 0 && isName(n):
			b.WriteString("." + n)
		case i > 0:
			b.WriteString("[" + quote(n) + "]")
		case strings.EqualFold(n, Devices):
			// Bare, it would be taken for the collection's name.
			b.WriteString("[[" + n + "]]")
		default:
			b.WriteString(bareName(n))
		}
	}
}

// bareName gives a name that stands by itself.
func bareName(n string) string {
	if isName(n) && !isKeyword(n) {
		return n
	}
	return "[[" + n + "]]"
}

// isName reports whether n can be written as it is.
func isName(n string) bool {
	for i, r := range n {
		if !isNameRune(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return n != ""
}

func literalText(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case Undefined:
		return "undefined"
	}
	return "null"
}

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
