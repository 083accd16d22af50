package query

// Limits on the text of a query. IoT Hub documents no limits. These keep the compiled
// statement within SQLite's own limits.
const (
	MaxLength      = 256 << 10 // length of the text, in bytes
	MaxDepth       = 50        // nesting depth of parentheses, NOT and function calls
	MaxComparisons = 1000      // number of comparisons and function calls; a list after IN counts as one
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

// ParseCondition parses a job's condition: the text that would follow WHERE in a query.
// For "*", which selects every device, it returns nil. Its errors are of type *Error.
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

// parser is a recursive-descent parser. It has one method for each grammar rule. The
// method's comment contains the rule, in EBNF notation.
type parser struct {
	text        string
	tokens      []token
	next        int    // index of the next token in tokens
	depth       int    // current nesting depth, at most MaxDepth
	comparisons int    // number of comparisons so far, at most MaxComparisons
	collection  string // the collection after FROM, whose name may begin a path
}

// newParser splits the text into tokens. Its result type is error and not *Error,
// because a nil *Error in an error interface would not equal nil.
func newParser(text string) (*parser, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens}, nil
}

// peek returns the next token without consuming it.
func (p *parser) peek() token { return p.tokens[p.next] }

// peekSecond returns the token after the next one. The next token must not be the
// end of the text.
func (p *parser) peekSecond() token { return p.tokens[p.next+1] }

// advance consumes the next token and returns it.
func (p *parser) advance() token {
	t := p.tokens[p.next]
	if t.kind != tokEnd {
		p.next++
	}
	return t
}

// accept consumes the next token and returns true if the token is the keyword.
func (p *parser) accept(keyword string) bool {
	if !p.peek().is(keyword) {
		return false
	}
	p.next++
	return true
}

// acceptSymbol consumes the next token and returns true if the token is the symbol.
func (p *parser) acceptSymbol(s string) bool {
	if !p.peek().isSymbol(s) {
		return false
	}
	p.next++
	return true
}

// expect consumes the next token. It returns an error if the token is not the keyword.
func (p *parser) expect(keyword string) error {
	if t := p.peek(); !p.accept(keyword) {
		return p.errorf(t, "expected %s, found %s", keyword, t.describe())
	}
	return nil
}

// expectSymbol consumes the next token. If the token is not the symbol, it returns an
// error; the text where then says where the symbol is missing.
func (p *parser) expectSymbol(s, where string) error {
	if t := p.peek(); !p.acceptSymbol(s) {
		return p.errorf(t, "expected %q %s, found %s", s, where, t.describe())
	}
	return nil
}

// expectEnd returns an error if text follows a complete query or condition.
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

// errorf returns an error at the position of a token.
func (p *parser) errorf(t token, format string, args ...any) error {
	return errorAt(p.text, t.pos, format, args...)
}

// enter counts one more level of nesting, which begins at the token t. Call leave at the
// end of that level.
func (p *parser) enter(t token) error {
	if p.depth++; p.depth > MaxDepth {
		return p.errorf(t, "nested too deep: at most %d levels are allowed", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// countComparison counts one more comparison, at the token t.
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
