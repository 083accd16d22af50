package query

import "unicode/utf8"

// Limits on queries. IoT Hub accepts at most 8,192 characters. The other limits keep the
// compiled SQL within SQLite's own limits; IoT Hub documents none of them.
const (
	MaxLength      = 8192 // length of the text, in characters
	MaxDepth       = 50   // nesting depth of parentheses, NOT and function calls
	MaxComparisons = 1000 // number of comparisons and function calls; IN with its list counts as one
	MaxArithmetic  = 100  // number of arithmetic operators
	MaxColumns     = 100  // number of selected columns, and of properties after GROUP BY
)

// maxStoredLength is the length, in bytes, up to which earlier versions of the hub
// accepted the condition of a job.
const maxStoredLength = 256 << 10

// Parse parses a complete SELECT statement. Its errors are of type *Error.
func Parse(text string) (*Query, error) {
	p, err := newParser(text, false)
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
func ParseCondition(text string) (*Condition, error) { return parseCondition(text, false) }

// ParseStoredCondition parses the condition of a stored job. Earlier versions of the hub
// accepted conditions of more than MaxLength characters and keywords as names of
// properties. ParseStoredCondition accepts both, so that a scheduled job also runs after
// an update of the hub.
func ParseStoredCondition(text string) (*Condition, error) { return parseCondition(text, true) }

func parseCondition(text string, stored bool) (*Condition, error) {
	p, err := newParser(text, stored)
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
	arithmetic  int    // number of arithmetic operators so far, at most MaxArithmetic
	collection  string // the collection after FROM; its name may begin a path
	stored      bool   // the text is the condition of a stored job: see ParseStoredCondition
}

// newParser returns a parser for the text of a query. The result type is error and not
// *Error, because an interface that holds a nil *Error is not nil.
func newParser(text string, stored bool) (*parser, error) {
	if err := checkLength(text, stored); err != nil {
		return nil, err
	}

	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens, stored: stored}, nil
}

// checkLength returns an error if the text is too long. The error is an *Error.
func checkLength(text string, stored bool) error {
	if stored {
		if len(text) > maxStoredLength {
			return errorAt(text, maxStoredLength, "the text has %d bytes: at most %d are allowed", len(text), maxStoredLength)
		}
		return nil
	}

	if n := utf8.RuneCountInString(text); n > MaxLength {
		return errorAt(text, runeOffset(text, MaxLength), "the text has %d characters: at most %d are allowed", n, MaxLength)
	}
	return nil
}

// runeOffset returns the byte offset of the character with index n. The text must have
// more than n characters.
func runeOffset(text string, n int) int {
	for offset := range text {
		if n == 0 {
			return offset
		}
		n--
	}
	return len(text)
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

// countArithmetic counts the arithmetic operator t. It returns an error if the query has
// too many of them.
func (p *parser) countArithmetic(t token) error {
	if p.arithmetic++; p.arithmetic > MaxArithmetic {
		return p.errorf(t, "more than %d arithmetic operators", MaxArithmetic)
	}
	return nil
}

func isComparison(t token) bool {
	if t.kind != tokSymbol {
		return false
	}
	switch t.text {
	case "=", "!=", "<>", "<", "<=", ">", ">=":
		return true
	}
	return false
}
