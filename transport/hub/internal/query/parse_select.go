package query

import (
	"math"
	"slices"
	"strings"
)

// query parses a whole statement:
//
//	"SELECT" [ "TOP" number ] columns "FROM" collection
//	[ "WHERE" condition ] [ "GROUP" "BY" path { "," path } ]
func (p *parser) query() (*Query, error) {
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	// Find the collection first, because the parser needs it to read the paths of the
	// columns.
	if err := p.findCollection(); err != nil {
		return nil, err
	}
	q := &Query{Collection: p.collection}

	start := p.peek()
	if start.is("TOP") {
		if err := p.top(q); err != nil {
			return nil, err
		}
	}
	if !p.acceptSymbol("*") {
		if err := p.columns(q); err != nil {
			return nil, err
		}
	}

	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	p.skipCollection()

	if p.accept("WHERE") {
		root, err := p.condition()
		if err != nil {
			return nil, err
		}
		q.Where = &Condition{root}
	}
	if p.accept("GROUP") {
		if err := p.groupBy(q); err != nil {
			return nil, err
		}
	}

	if t := p.peek(); t.is("ORDER") || t.is("JOIN") {
		return nil, p.errorf(t, "%s is not supported", strings.ToUpper(t.text))
	}
	if err := p.expectEnd(); err != nil {
		return nil, err
	}
	return q, p.checkColumns(q, start)
}

// top parses "TOP" number.
func (p *parser) top(q *Query) error {
	p.advance()
	t := p.advance()
	n := t.value
	if t.kind != tokNumber || n < 1 || n > math.MaxInt32 || n != math.Trunc(n) {
		return p.errorf(t, "expected a whole number of at least 1 after TOP")
	}

	q.Top = int(n)
	return nil
}

// columns parses column { "," column }.
func (p *parser) columns(q *Query) error {
	for {
		start := p.peek()
		c, err := p.column()
		if err != nil {
			return err
		}

		if slices.ContainsFunc(q.Columns, func(other Column) bool { return other.Name == c.Name }) {
			return p.errorf(start, "two columns have the name %q: rename one with AS", c.Name)
		}
		if q.Columns = append(q.Columns, c); len(q.Columns) > MaxColumns {
			return p.errorf(start, "more than %d columns", MaxColumns)
		}

		if !p.acceptSymbol(",") {
			return nil
		}
	}
}

// groupBy parses "BY" path { "," path }. The word GROUP has already been read.
func (p *parser) groupBy(q *Query) error {
	if t := p.peek(); !p.accept("BY") {
		return p.errorf(t, "expected BY after GROUP, found %s", t.describe())
	}

	for {
		start := p.peek()
		path, err := p.path()
		if err != nil {
			return err
		}
		if q.GroupBy = append(q.GroupBy, path); len(q.GroupBy) > MaxColumns {
			return p.errorf(start, "more than %d properties after GROUP BY", MaxColumns)
		}
		if !p.acceptSymbol(",") {
			return nil
		}
	}
}

// checkColumns returns an error if a column is not allowed in the collection or does not
// match the GROUP BY clause.
func (p *parser) checkColumns(q *Query, start token) error {
	switch {
	case q.Collection == DeviceJobs && (len(q.Columns) > 0 || q.Top > 0 || len(q.GroupBy) > 0):
		return p.errorf(start, "FROM devices.jobs allows only SELECT *, without TOP and GROUP BY")
	case q.Star() && len(q.GroupBy) > 0:
		return p.errorf(start, "SELECT * does not work with GROUP BY: select the properties after GROUP BY, and aggregates")
	case !q.Aggregates():
		return nil
	}

	for _, c := range q.Columns {
		path, ok := c.Expr.(*Path)
		if ok && !slices.ContainsFunc(q.GroupBy, func(g *Path) bool { return sameProperty(q.Collection, g, path) }) {
			return errorAt(p.text, path.Position(), "the column %q is neither an aggregate nor in GROUP BY", c.Name)
		}
	}
	return nil
}

// sameProperty reports whether two paths refer to the same property. The names of the
// hub's own fields are compared without regard to case.
func sameProperty(collection string, a, b *Path) bool {
	fieldA, belowA, okA := findField(collection, a.Names)
	fieldB, belowB, okB := findField(collection, b.Names)
	if !okA || !okB {
		return !okA && !okB && slices.Equal(a.Names, b.Names)
	}
	return fieldA.path == fieldB.path && slices.Equal(belowA, belowB)
}

// findCollection finds the FROM clause without consuming tokens, and checks the
// collection's name. It ignores the word "from" in a path or as an alias.
func (p *parser) findCollection() error {
	i := p.next
	for !p.tokens[i].is("FROM") || p.afterDot(i) || p.tokens[i-1].is("AS") && !p.afterDot(i-1) {
		if i++; i == len(p.tokens) {
			return p.errorf(p.tokens[i-1], "expected FROM devices or FROM devices.jobs")
		}
	}
	i++

	start := p.tokens[i]
	var names []string
	for p.tokens[i].kind == tokWord {
		names = append(names, strings.ToLower(p.tokens[i].text))
		if !p.tokens[i+1].isSymbol(".") {
			break
		}
		i += 2
	}

	switch c := strings.Join(names, "."); c {
	case Devices, DeviceJobs:
		p.collection = c
		return nil
	case "devices.modules":
		return p.errorf(start, "devices.modules is not supported: use devices or devices.jobs")
	}
	return p.errorf(start, "expected devices or devices.jobs after FROM")
}

// skipCollection consumes the collection's name. findCollection has already checked it.
func (p *parser) skipCollection() {
	words := strings.Count(p.collection, ".") + 1
	p.next += 2*words - 1 // the dots between the words are also tokens
}

// afterDot reports whether token i follows a dot and is therefore part of a path.
func (p *parser) afterDot(i int) bool { return i > 0 && p.tokens[i-1].isSymbol(".") }

// column parses ( path | aggregate ) [ "AS" name ].
func (p *parser) column() (Column, error) {
	var c Column
	if p.peek().kind == tokWord && p.peekSecond().isSymbol("(") {
		a, err := p.aggregate()
		if err != nil {
			return c, err
		}
		c.Expr = a
	} else {
		path, err := p.path()
		if err != nil {
			return c, err
		}
		c.Expr, c.Name = path, path.Names[len(path.Names)-1]
	}

	if p.accept("AS") {
		alias := p.advance()
		if alias.kind != tokWord && alias.kind != tokBracketed {
			return c, p.errorf(alias, "expected a name after AS, found %s", alias.describe())
		}
		if alias.kind == tokWord && isKeyword(alias.text) {
			return c, p.errorf(alias, "%q is a keyword: write the name of the column as [[%s]]", alias.text, alias.text)
		}
		c.Name = alias.text
	}
	if c.Name == "" {
		return c, p.errorf(p.peek(), "expected AS and a name after the aggregate")
	}
	return c, nil
}

// aggregate parses "COUNT" "(" ")" | ( "SUM" | "AVG" | "MIN" | "MAX" ) "(" path ")".
func (p *parser) aggregate() (*Aggregate, error) {
	t := p.advance()
	a := &Aggregate{Pos: Pos(t.pos), Name: strings.ToUpper(t.text)}
	p.advance() // "("

	switch a.Name {
	case "COUNT":
	case "SUM", "AVG", "MIN", "MAX":
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		a.X = path
	default:
		return nil, p.errorf(t, "%s() cannot be selected: use a property, COUNT(), or SUM, AVG, MIN or MAX of a property", a.Name)
	}
	return a, p.expectSymbol(")", "at the end of "+a.Name+"(")
}
