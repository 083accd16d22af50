package query

import "strings"

// condition parses conjunction { "OR" conjunction }.
func (p *parser) condition() (Expr, error) { return p.chain("OR", p.conjunction) }

// conjunction parses negation { "AND" negation }.
func (p *parser) conjunction() (Expr, error) { return p.chain("AND", p.negation) }

// chain parses terms that are joined by one operator, such as AND, and makes all of them
// children of one node. Long conditions therefore do not become deep trees.
func (p *parser) chain(op string, term func() (Expr, error)) (Expr, error) {
	first, err := term()
	if err != nil || !p.peek().is(op) {
		return first, err
	}

	node := &Logic{Pos: Pos(p.peek().pos), Op: op, Terms: []Expr{first}}
	for p.accept(op) {
		next, err := term()
		if err != nil {
			return nil, err
		}
		node.Terms = append(node.Terms, next)
	}
	return node, nil
}

// negation parses { "NOT" } predicate.
func (p *parser) negation() (Expr, error) {
	t := p.peek()
	if !t.is("NOT") || p.startsPath() {
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
	return &Not{Pos: Pos(t.pos), X: x}, nil
}

// predicate parses sum [ comparison sum | [ "NOT" ] "IN" list | "NIN" list ].
func (p *parser) predicate() (Expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}

	t := p.peek()
	if err := p.countComparison(t); err != nil {
		return nil, err
	}

	switch {
	case isComparison(t):
		p.advance()
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		if next := p.peek(); isComparison(next) {
			return nil, p.errorf(next, "comparisons cannot be chained: join them with AND")
		}

		op := t.text
		if op == "<>" {
			op = "!="
		}
		return &Compare{Pos: Pos(t.pos), Op: op, Left: left, Right: right}, p.checkTimes(left, right)

	case t.is("IN"), t.is("NIN"), t.is("NOT") && p.peekSecond().is("IN"):
		p.advance()
		if t.is("NOT") {
			p.advance()
		}
		list, err := p.list()
		if err != nil {
			return nil, err
		}
		if err := p.checkTimeList(left, list); err != nil {
			return nil, err
		}
		return &In{Pos: Pos(t.pos), X: left, Not: !t.is("IN"), List: list}, nil
	}
	return left, nil
}

// sum parses product { ( "+" | "-" ) product }.
func (p *parser) sum() (Expr, error) { return p.operations("+-", p.product) }

// product parses signed { ( "*" | "/" | "%" ) signed }.
func (p *parser) product() (Expr, error) { return p.operations("*/%", p.signed) }

// operations parses operands that are joined by any of the given operators, from left to
// right.
func (p *parser) operations(operators string, operand func() (Expr, error)) (Expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}

	for {
		t := p.peek()
		if t.kind != tokSymbol || !strings.Contains(operators, t.text) {
			return left, nil
		}
		if err := p.countArithmetic(t); err != nil {
			return nil, err
		}

		p.advance()
		right, err := operand()
		if err != nil {
			return nil, err
		}
		for _, x := range []Expr{left, right} {
			if err := p.checkNumber(x); err != nil {
				return nil, err
			}
		}
		left = &Arithmetic{Pos: Pos(t.pos), Op: t.text, Left: left, Right: right}
	}
}

// signed parses [ "+" | "-" ] signed | operand. The sign of a number is part of the
// number.
func (p *parser) signed() (Expr, error) {
	t := p.peek()
	if !t.isSymbol("+") && !t.isSymbol("-") || p.peekSecond().kind == tokNumber {
		return p.operand()
	}
	if err := p.countArithmetic(t); err != nil {
		return nil, err
	}

	p.advance()
	x, err := p.signed()
	if err != nil {
		return nil, err
	}
	return &Sign{Pos: Pos(t.pos), Op: t.text, X: x}, p.checkNumber(x)
}

// list parses "[" [ literal { "," literal } ] "]".
func (p *parser) list() ([]*Literal, error) {
	if t := p.peek(); !p.acceptSymbol("[") {
		found := t.describe()
		if t.isSymbol("(") {
			found = "parentheses"
		}
		return nil, p.errorf(t, "expected a list in brackets, such as ['a', 'b'], found %s", found)
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
			return nil, p.errorf(t, "expected a constant in the list, found %s: put strings in quotes", t.describe())
		}
		list = append(list, l)

		if p.acceptSymbol("]") {
			return list, nil
		}
		if err := p.expectSymbol(",", `or "]" in the list`); err != nil {
			return nil, err
		}
	}
}

// operand parses literal | call | path | "(" condition ")".
func (p *parser) operand() (Expr, error) {
	t := p.peek()
	if t.isSymbol("(") {
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer p.leave()

		p.advance()
		x, err := p.condition()
		if err != nil {
			return nil, err
		}
		return x, p.expectSymbol(")", "here")
	}

	if l, err := p.literal(); l != nil || err != nil {
		return l, err
	}
	if t.kind == tokWord && p.peekSecond().isSymbol("(") && !isKeyword(t.text) {
		return p.call()
	}
	return p.path()
}

// literal parses a constant. If the next token does not begin a constant, it returns nil
// and consumes nothing.
func (p *parser) literal() (*Literal, error) {
	t := p.peek()
	negative := false
	if (t.isSymbol("-") || t.isSymbol("+")) && p.peekSecond().kind == tokNumber {
		negative = t.text == "-"
		p.advance()
	}

	var v any
	switch n := p.peek(); {
	case n.kind == tokString:
		v = n.text
	case n.kind == tokNumber:
		f := n.value
		if negative {
			f = -f
		}
		v = f + 0 // turns -0 into 0
	case p.startsPath():
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
	return &Literal{Pos: Pos(t.pos), Value: v}, nil
}

// startsPath reports whether the next tokens are a path of several names. The first name
// of such a path may look like a keyword.
func (p *parser) startsPath() bool {
	if p.peek().kind == tokEnd {
		return false
	}
	second := p.peekSecond()
	return second.isSymbol(".") || second.kind == tokSubscript
}

// call parses name "(" condition { "," condition } ")".
func (p *parser) call() (Expr, error) {
	t := p.advance()
	name := strings.ToUpper(t.text)
	f, ok := functions[name]
	if !ok {
		return nil, p.errorf(t, "unknown function %s: use one of %s", t.text, functionNames())
	}
	if f.alias != "" {
		name = f.alias
	}

	if err := p.enter(t); err != nil {
		return nil, err
	}
	defer p.leave()

	p.advance() // "("
	c := &Call{Pos: Pos(t.pos), Name: name}
	for !p.peek().isSymbol(")") {
		arg, err := p.condition()
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, arg)
		if !p.acceptSymbol(",") {
			break
		}
	}
	if err := p.expectSymbol(")", "after the arguments of "+name); err != nil {
		return nil, err
	}

	if len(c.Args) != f.args {
		return nil, p.errorf(t, "%s takes %d argument(s), found %d", name, f.args, len(c.Args))
	}
	return c, nil
}

// path parses name { "." name | "['" name "']" }. A name may be in double brackets. The
// collection's name at the start of the path is removed.
func (p *parser) path() (*Path, error) {
	t := p.peek()
	if err := p.checkPathStart(t); err != nil {
		return nil, err
	}

	parts := []token{p.advance()}
	for {
		if p.peek().kind == tokSubscript {
			parts = append(parts, p.advance())
			continue
		}
		if !p.acceptSymbol(".") {
			break
		}
		n := p.peek()
		if n.kind != tokWord && n.kind != tokBracketed {
			return nil, p.errorf(n, "expected a property name after the '.', found %s: write a name with special characters as in tags['a b']", n.describe())
		}
		parts = append(parts, p.advance())
	}

	path := &Path{Pos: Pos(t.pos)}
	for _, part := range p.withoutCollection(parts) {
		if part.kind == tokWord && isReserved(part.text) && !p.stored {
			return nil, p.errorf(part, "%q is a keyword: write the name of the property as [[%s]]", part.text, part.text)
		}
		path.Names = append(path.Names, part.text)
	}
	return path, nil
}

// checkPathStart returns an error if a path cannot begin with the token. The errors also
// mention constants, because the function operand looks for a constant before it looks
// for a path.
func (p *parser) checkPathStart(t token) error {
	switch {
	case t.kind != tokWord && t.kind != tokBracketed:
		return p.errorf(t, "expected a property or a constant, found %s", t.describe())
	case t.kind == tokWord && isKeyword(t.text) && !p.startsPath():
		return p.errorf(t, "expected a property or a constant, found the keyword %s", strings.ToUpper(t.text))
	}
	return nil
}

// withoutCollection removes the collection's name from the start of a path, unless it is
// the whole path.
func (p *parser) withoutCollection(parts []token) []token {
	prefix := strings.Split(p.collection, ".")
	if len(parts) <= len(prefix) || parts[len(prefix)].kind == tokSubscript {
		return parts
	}

	for i, word := range prefix {
		if !parts[i].is(word) {
			return parts
		}
	}
	return parts[len(prefix):]
}
