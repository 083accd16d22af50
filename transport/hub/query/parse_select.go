package query

import "strings"

// query = "SELECT" columns "FROM" collection [ "WHERE" condition ].
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
		return nil, p.errorf(start, "TOP is not supported")
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
	if err := p.checkColumns(q, start); err != nil {
		return nil, err
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
	if t := p.peek(); t.is("GROUP") || t.is("ORDER") || t.is("JOIN") {
		return nil, p.errorf(t, "%s is not supported", strings.ToUpper(t.text))
	}
	if err := p.atEnd(); err != nil {
		return nil, err
	}
	return q, nil
}

func (p *parser) checkColumns(q *Query, start token) error {
	aggregates := 0
	for _, c := range q.Columns {
		if _, ok := c.Expr.(*Aggregate); ok {
			aggregates++
		}
	}
	switch {
	case q.Collection == DeviceJobs && len(q.Columns) > 0:
		return p.errorf(start, "FROM devices.jobs allows SELECT * only")
	case aggregates > 0 && aggregates < len(q.Columns):
		return p.errorf(start, "COUNT() cannot stand beside properties: GROUP BY is not supported")
	}
	return nil
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

// column = ( path | "COUNT" "(" ")" ) [ "AS" name ].
func (p *parser) column() (Column, error) {
	var c Column
	t := p.peek()
	if t.kind == word && p.tokens[p.at+1].kind == symbol && p.tokens[p.at+1].text == "(" {
		name := strings.ToUpper(t.text)
		switch name {
		case "COUNT":
		case "SUM", "AVG", "MIN", "MAX":
			return c, p.errorf(t, "%s is not supported", name)
		default:
			return c, p.errorf(t, "%s() cannot be selected; want a property or COUNT()", name)
		}
		p.at += 2
		if err := p.wantSymbol(")", "after COUNT("); err != nil {
			return c, err
		}
		c.Expr = &Aggregate{Pos: t.pos, Name: name}
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
		return c, p.errorf(p.peek(), "want AS and a name after COUNT()")
	}
	return c, nil
}
