package query

import "strings"

// condition = conjunction { "OR" conjunction }.
func (p *parser) condition() (Expr, error) { return p.chain("OR", p.conjunction) }

// conjunction = negation { "AND" negation }.
func (p *parser) conjunction() (Expr, error) { return p.chain("AND", p.negation) }

// chain reads terms that one operator joins. They become one node, however many
// they are, so that a long condition is not a deep tree.
func (p *parser) chain(op string, term func() (Expr, error)) (Expr, error) {
	first, err := term()
	if err != nil || !p.peek().is(op) {
		return first, err
	}
	node := &Logic{Pos: p.peek().pos, Op: op, Terms: []Expr{first}}
	for p.accept(op) {
		next, err := term()
		if err != nil {
			return nil, err
		}
		node.Terms = append(node.Terms, next)
	}
	return node, nil
}

// negation = { "NOT" } predicate.
func (p *parser) negation() (Expr, error) {
	t := p.peek()
	if !t.is("NOT") || p.continues() {
		return p.predicate()
	}
	p.advance()
	if err := p.enter(t); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.negation()
	if err != nil {
		return nil, err
	}
	return &Not{Pos: t.pos, X: x}, nil
}

// predicate = operand [ comparison operand | [ "NOT" ] "IN" list | "NIN" list ].
func (p *parser) predicate() (Expr, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if err := p.count(t); err != nil {
		return nil, err
	}
	switch {
	case isComparison(t):
		p.advance()
		right, err := p.operand()
		if err != nil {
			return nil, err
		}
		if next := p.peek(); isComparison(next) {
			return nil, p.errorf(next, "comparisons do not chain; join them by AND")
		}
		return &Compare{Pos: t.pos, Op: t.text, Left: left, Right: right}, nil
	case t.is("IN"), t.is("NIN"), t.is("NOT") && p.tokens[p.at+1].is("IN"):
		p.advance()
		if t.is("NOT") {
			p.advance()
		}
		list, err := p.list()
		if err != nil {
			return nil, err
		}
		return &In{Pos: t.pos, X: left, Not: !t.is("IN"), List: list}, nil
	}
	return left, nil
}

// list = "[" [ literal { "," literal } ] "]".
func (p *parser) list() ([]*Literal, error) {
	if t := p.peek(); !p.acceptSymbol("[") {
		if t.kind == symbol && t.text == "(" {
			return nil, p.errorf(t, "want a list in brackets, such as ['a', 'b'], not in parentheses")
		}
		return nil, p.errorf(t, "want a list in brackets, such as ['a', 'b'], not %s", t.describe())
	}
	list := []*Literal{}
	if p.acceptSymbol("]") {
		return list, nil
	}
	for {
		t := p.peek()
		l, err := p.literal()
		if err != nil {
			return nil, err
		}
		if l == nil {
			return nil, p.errorf(t, "want a constant in the list, not %s; text stands in quotes", t.describe())
		}
		list = append(list, l)
		if p.acceptSymbol("]") {
			return list, nil
		}
		if err := p.wantSymbol(",", `or "]" in the list`); err != nil {
			return nil, err
		}
	}
}

// operand = literal | call | path | "(" condition ")".
func (p *parser) operand() (Expr, error) {
	t := p.peek()
	if t.kind == symbol && t.text == "(" {
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer p.leave()
		p.advance()
		x, err := p.condition()
		if err != nil {
			return nil, err
		}
		return x, p.wantSymbol(")", "here")
	}
	if l, err := p.literal(); l != nil || err != nil {
		return l, err
	}
	if t.kind == word && p.tokens[p.at+1].kind == symbol && p.tokens[p.at+1].text == "(" && !isKeyword(t.text) {
		return p.call()
	}
	return p.path()
}

// literal returns nil if there is none.
func (p *parser) literal() (*Literal, error) {
	t := p.peek()
	negative := false
	if t.kind == symbol && (t.text == "-" || t.text == "+") && p.tokens[p.at+1].kind == number {
		negative = t.text == "-"
		p.advance()
	}
	var v any
	switch n := p.peek(); {
	case n.kind == text:
		v = n.text
	case n.kind == number:
		f := n.value
		if negative {
			f = -f
		}
		v = f + 0 // -0 is 0
	case p.continues():
		return nil, nil
	case n.is("true"):
		v = true
	case n.is("false"):
		v = false
	case n.is("null"):
	case n.is("undefined"):
		v = Undefined{}
	default:
		return nil, nil
	}
	p.advance()
	return &Literal{Pos: t.pos, Value: v}, nil
}

// continues reports whether the word that is next is the beginning of a path.
func (p *parser) continues() bool {
	if p.peek().kind == end {
		return false
	}
	n := p.tokens[p.at+1]
	return n.kind == symbol && n.text == "." || n.kind == subscript
}

// call = name "(" condition { "," condition } ")".
func (p *parser) call() (Expr, error) {
	t := p.advance()
	name := strings.ToUpper(t.text)
	f, ok := functions[name]
	if !ok {
		return nil, p.errorf(t, "there is no function %s; known are %s", t.text, functionNames())
	}
	if f.canonical != "" {
		name = f.canonical
	}
	if err := p.enter(t); err != nil {
		return nil, err
	}
	defer p.leave()
	p.advance() // "("
	c := &Call{Pos: t.pos, Name: name}
	for !p.isSymbol(")") {
		arg, err := p.condition()
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, arg)
		if !p.acceptSymbol(",") {
			break
		}
	}
	if err := p.wantSymbol(")", "after the arguments of "+name); err != nil {
		return nil, err
	}
	if len(c.Args) != f.args {
		return nil, p.errorf(t, "%s takes %d argument(s), not %d", name, f.args, len(c.Args))
	}
	return c, nil
}

// path = name { "." name | "['" name "']" }, where a name may be [[name]], and the
// first ones may be those of the collection, which are dropped.
func (p *parser) path() (*Path, error) {
	t := p.peek()
	if t.kind != word && t.kind != name {
		if t.kind == symbol && isArithmetic(t.text) {
			return nil, p.errorf(t, "arithmetic (%s) is not supported", t.text)
		}
		return nil, p.errorf(t, "want a property or a constant, not %s", t.describe())
	}
	if t.kind == word && isKeyword(t.text) && !p.continues() {
		return nil, p.errorf(t, "want a property or a constant, not the keyword %s", strings.ToUpper(t.text))
	}
	parts := []token{p.advance()}
	for {
		if n := p.peek(); n.kind == subscript {
			parts = append(parts, p.advance())
			continue
		}
		if !p.acceptSymbol(".") {
			break
		}
		n := p.peek()
		if n.kind != word && n.kind != name {
			return nil, p.errorf(n, "want a property's name after the '.', not %s; other characters are written as in tags['a b']", n.describe())
		}
		parts = append(parts, p.advance())
	}
	prefix := strings.Split(p.collection, ".")
	drop := len(parts) > len(prefix) && parts[len(prefix)].kind != subscript
	for i := 0; drop && i < len(prefix); i++ {
		drop = parts[i].is(prefix[i])
	}
	if drop {
		parts = parts[len(prefix):]
	}
	path := &Path{Pos: t.pos}
	for _, part := range parts {
		path.Names = append(path.Names, part.text)
	}
	return path, nil
}

func isComparison(t token) bool {
	if t.kind != symbol {
		return false
	}
	switch t.text {
	case "=", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}

func isKeyword(s string) bool {
	switch strings.ToUpper(s) {
	case "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "NIN", "AS", "TOP", "GROUP", "BY",
		"TRUE", "FALSE", "NULL", "UNDEFINED":
		return true
	}
	return false
}
