package query

// Limits on queries, which keep the compiled SQL within SQLite's own limits. IoT Hub
// documents no limits.
const (
	MaxLength      = 256 << 10 // length of the text, in bytes
	MaxDepth       = 50        // nesting depth of parentheses, NOT and function calls
	MaxComparisons = 1000      // number of comparisons and function calls; IN with its list counts as one
	MaxColumns     = 100       // number of selected columns, and of properties after GROUP BY
)

// Parse parses a complete SELECT statement. Its errors are of type *Error.
func Parse(text string) (*Query, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	q.Text = text
	return q, nil
}

// ParseCondition parses the condition that selects a job's devices: the text that would
// follow WHERE in a query. For "*", which selects all devices, it returns nil. Its errors
// are of type *Error.
func ParseCondition(text string) (*Condition, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}

	switch t := p.peek(); {
	case t.kind == tokEnd:
		return nil, p.errorf(t, `the condition is empty: "*" selects every device`)
	case t.isSymbol("*"):
		p.advance()
		return nil, p.expectEnd()
	case t.is("SELECT"):
		return nil, p.errorf(t, "expected a condition, found a whole query: give only the part after WHERE")
	case t.is("WHERE"):
		return nil, p.errorf(t, "expected a condition: leave out the word WHERE")
	}

	p.collection = Devices
	root, err := p.condition()
	if err != nil {
		return nil, err
	}
	if err := p.expectEnd(); err != nil {
		return nil, err
	}
	return &Condition{root}, nil
}

// parser is a recursive-descent parser. Each rule of the grammar has a method, whose
// comment contains the rule in EBNF notation.
type parser struct {
	text        string
	tokens      []token
	next        int    // index of the next token in tokens
	depth       int    // current nesting depth, at most MaxDepth
	comparisons int    // number of comparisons so far, at most MaxComparisons
	collection  string // the collection after FROM; its name may begin a path
}

// newParser returns a parser for the text of a query. The result type is error and not
// *Error, because an interface that holds a nil *Error is not nil.
func newParser(text string) (*parser, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens}, nil
}

// peek returns the next token without consuming it.
func (p *parser) peek() token { return p.tokens[p.next] }

// peekSecond returns the token after the next token. Do not call it at the end of the
// text.
func (p *parser) peekSecond() token { return p.tokens[p.next+1] }

// advance consumes the next token and returns it.
func (p *parser) advance() token {
	t := p.tokens[p.next]
	if t.kind != tokEnd {
		p.next++
	}
	return t
}

// accept consumes the next token if it is the keyword, and reports whether it is.
func (p *parser) accept(keyword string) bool {
	if !p.peek().is(keyword) {
		return false
	}
	p.next++
	return true
}

// acceptSymbol consumes the next token if it is the symbol, and reports whether it is.
func (p *parser) acceptSymbol(s string) bool {
	if !p.peek().isSymbol(s) {
		return false
	}
	p.next++
	return true
}

// expect consumes the next token, which must be the keyword. Otherwise it returns an
// error.
func (p *parser) expect(keyword string) error {
	if t := p.peek(); !p.accept(keyword) {
		return p.errorf(t, "expected %s, found %s", keyword, t.describe())
	}
	return nil
}

// expectSymbol consumes the next token, which must be the symbol. Otherwise it returns an
// error; where says in words where the symbol is missing.
func (p *parser) expectSymbol(s, where string) error {
	if t := p.peek(); !p.acceptSymbol(s) {
		return p.errorf(t, "expected %q %s, found %s", s, where, t.describe())
	}
	return nil
}

// expectEnd returns an error if more text follows a complete query or condition.
func (p *parser) expectEnd() error {
	t := p.peek()
	if t.kind == tokEnd {
		return nil
	}
	if isArithmetic(t) {
		return p.errorf(t, "arithmetic (%s) is not supported: write a name with this character as in tags['a-b']", t.text)
	}
	return p.errorf(t, "expected AND, OR or the end of the text, found %s", t.describe())
}

// errorf returns an error that refers to the position of a token.
func (p *parser) errorf(t token, format string, args ...any) error {
	return errorAt(p.text, t.pos, format, args...)
}

// enter records that a nested expression begins at token t, and returns an error if it is
// nested too deeply. Call leave at the end of the nested expression.
func (p *parser) enter(t token) error {
	if p.depth++; p.depth > MaxDepth {
		return p.errorf(t, "nested too deep: at most %d levels are allowed", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// countComparison counts the comparison at token t. It returns an error if the query has
// too many comparisons.
func (p *parser) countComparison(t token) error {
	if p.comparisons++; p.comparisons > MaxComparisons {
		return p.errorf(t, "more than %d comparisons: use IN [...] with a list", MaxComparisons)
	}
	return nil
}

func isArithmetic(t token) bool {
	if t.kind != tokSymbol {
		return false
	}
	switch t.text {
	case "+", "-", "*", "/", "%":
		return true
	}
	return false
}

func isComparison(t token) bool {
	if t.kind != tokSymbol {
		return false
	}
	switch t.text {
	case "=", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}
