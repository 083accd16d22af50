package query

import (
	"math"
	"slices"
	"strings"
)

// query = "SELECT" [ "TOP" number ] columns "FROM" collection [ "WHERE" condition ]
//
//	[ "GROUP" "BY" path { "," path } ].
func (p *parser) query() (*Query, error) {
	if t := p.peek(); !p.accept("SELECT") {
		return nil, p.errorf(t, "want SELECT, not %s", t.describe())
	}
	// The collection decides how paths are read, so it is looked up first.
	if err := p.findCollection(); err != nil {
		return nil, err
	}
	q := &Query{Collection: p.collection}
	start := p.peek()
	if start.is("TOP") && p.tokens[p.at+1].kind == number {
		if err := p.top(q); err != nil {
			return nil, err
		}
	}
	if !p.acceptSymbol("*") {
		for {
			c, err := p.column()
			if err != nil {
				return nil, err
			}
			for _, other := range q.Columns {
				if other.Name == c.Name {
					return nil, p.errorf(start, "two columns have the name %q; give one another name with AS", c.Name)
				}
			}
			if q.Columns = append(q.Columns, c); len(q.Columns) > MaxColumns {
				return nil, p.errorf(start, "more than %d columns", MaxColumns)
			}
			if !p.acceptSymbol(",") {
				break
			}
		}
	}
	if t := p.peek(); !p.accept("FROM") {
		return nil, p.errorf(t, "want FROM, not %s", t.describe())
	}
	for range strings.Split(q.Collection, ".") {
		p.at += 2 // the name and the '.'
	}
	p.at--
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
	if err := p.atEnd(); err != nil {
		return nil, err
	}
	return q, p.checkColumns(q, start)
}

// top = "TOP" number.
func (p *parser) top(q *Query) error {
	p.advance()
	t := p.advance()
	n := t.value
	if t.kind != number || n < 1 || n > math.MaxInt32 || n != math.Trunc(n) {
		return p.errorf(t, "want a whole number from 1 on after TOP")
	}
	q.Top = int(n)
	return nil
}

// groupBy reads what stands after GROUP.
func (p *parser) groupBy(q *Query) error {
	if t := p.peek(); !p.accept("BY") {
		return p.errorf(t, "want BY after GROUP, not %s", t.describe())
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

func (p *parser) checkColumns(q *Query, start token) error {
	switch {
	case q.Collection == DeviceJobs && (len(q.Columns) > 0 || q.Top > 0 || len(q.GroupBy) > 0):
		return p.errorf(start, "FROM devices.jobs allows SELECT * only, without TOP and GROUP BY")
	case q.Star() && len(q.GroupBy) > 0:
		return p.errorf(start, "SELECT * cannot stand beside GROUP BY; select what it groups by, and aggregates")
	case !q.Aggregates():
		return nil
	}
	for _, c := range q.Columns {
		path, ok := c.Expr.(*Path)
		if ok && !slices.ContainsFunc(q.GroupBy, func(g *Path) bool { return sameProperty(q.Collection, g, path) }) {
			return p.errorf(start, "the column %q is neither an aggregate nor in GROUP BY", c.Name)
		}
	}
	return nil
}

// sameProperty reports whether two paths lead to one place. Names of the hub's
// own fields are taken in any case.
func sameProperty(collection string, a, b *Path) bool {
	fieldA, belowA, okA := find(collection, a.Names)
	fieldB, belowB, okB := find(collection, b.Names)
	if !okA || !okB {
		return !okA && !okB && slices.Equal(a.Names, b.Names)
	}
	return fieldA.path == fieldB.path && slices.Equal(belowA, belowB)
}

// findCollection looks ahead for the FROM clause and checks it. FROM as a part of
// a path or as an alias is not the clause.
func (p *parser) findCollection() error {
	for i := p.at; i < len(p.tokens); i++ {
		if !p.tokens[i].is("FROM") || p.isPart(i) || p.tokens[i-1].is("AS") && !p.isPart(i-1) {
			continue
		}
		t := p.tokens[i+1]
		var names []string
		for i++; p.tokens[i].kind == word; i += 2 {
			names = append(names, strings.ToLower(p.tokens[i].text))
			if p.tokens[i+1].kind != symbol || p.tokens[i+1].text != "." {
				break
			}
		}
		switch c := strings.Join(names, "."); c {
		case Devices, DeviceJobs:
			p.collection = c
			return nil
		case "devices.modules":
			return p.errorf(t, "devices.modules is not supported; want devices or devices.jobs")
		}
		return p.errorf(t, "want devices or devices.jobs after FROM")
	}
	return p.errorf(p.tokens[len(p.tokens)-1], "want FROM devices or FROM devices.jobs")
}

// isPart reports whether token i goes on a path.
func (p *parser) isPart(i int) bool {
	return i > 0 && p.tokens[i-1].kind == symbol && p.tokens[i-1].text == "."
}

// column = ( path | "COUNT" "(" ")" | aggregate "(" path ")" ) [ "AS" name ].
func (p *parser) column() (Column, error) {
	var c Column
	t := p.peek()
	if t.kind == word && p.tokens[p.at+1].kind == symbol && p.tokens[p.at+1].text == "(" {
		a := &Aggregate{Pos: t.pos, Name: strings.ToUpper(t.text)}
		p.at += 2
		switch a.Name {
		case "COUNT":
		case "SUM", "AVG", "MIN", "MAX":
			path, err := p.path()
			if err != nil {
				return c, err
			}
			a.X = path
		default:
			return c, p.errorf(t, "%s() cannot be selected; want a property, COUNT(), or SUM, AVG, MIN or MAX of a property", a.Name)
		}
		if err := p.wantSymbol(")", "at the end of "+a.Name+"("); err != nil {
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
		if alias.kind != word && alias.kind != name {
			return c, p.errorf(alias, "want a name after AS, not %s", alias.describe())
		}
		c.Name = alias.text
	}
	if c.Name == "" {
		return c, p.errorf(p.peek(), "want AS and a name after an aggregate")
	}
	return c, nil
}
