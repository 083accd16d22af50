package query

// The bounds of a text. IoT Hub documents none; these keep the compiled
// statement within SQLite's.
const (
	MaxLength      = 256 << 10 // bytes of text
	MaxDepth       = 50        // parentheses, NOT and calls within each other
	MaxComparisons = 1000      // comparisons and calls; a list after IN is one
	MaxColumns     = 100       // projections
)

// Parse reads a whole SELECT. Errors are of type *Error.
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

// ParseCondition reads the condition of a job: what stands after WHERE. "*"
// selects every device and gives nil. Errors are of type *Error.
func ParseCondition(text string) (*Condition, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	switch t := p.peek(); {
	case t.kind == end:
		return nil, p.errorf(t, `the condition is empty; "*" selects every device`)
	case t.kind == symbol && t.text == "*":
		p.advance()
		if err := p.atEnd(); err != nil {
			return nil, err
		}
		return nil, nil
	case t.is("SELECT"):
		return nil, p.errorf(t, "want the condition alone: what stands after WHERE, without SELECT ... FROM")
	case t.is("WHERE"):
		return nil, p.errorf(t, "want the condition alone, without the word WHERE")
	}
	p.collection = Devices
	c, err := p.condition()
	if err != nil {
		return nil, err
	}
	if err := p.atEnd(); err != nil {
		return nil, err
	}
	return &Condition{c}, nil
}

// parser is a recursive-descent parser; each method reads what it is named after.
type parser struct {
	text        string
	tokens      []token
	at          int
	depth       int
	comparisons int
	collection  string
}

// newParser's error is of the interface's type, so that nil is nil.
func newParser(text string) (*parser, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens}, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) advance() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// accept takes the keyword if it is next.
func (p *parser) accept(keyword string) bool {
	if p.peek().is(keyword) {
		p.at++
		return true
	}
	return false
}

// acceptSymbol takes the symbol if it is next.
func (p *parser) acceptSymbol(s string) bool {
	if p.isSymbol(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) isSymbol(s string) bool {
	t := p.peek()
	return t.kind == symbol && t.text == s
}

func (p *parser) wantSymbol(s, where string) error {
	if !p.acceptSymbol(s) {
		return p.errorf(p.peek(), "want %q %s, not %s", s, where, p.peek().describe())
	}
	return nil
}

func (p *parser) errorf(t token, format string, args ...any) error {
	return errorAt(p.text, t.pos, format, args...)
}

func (p *parser) atEnd() error {
	if t := p.peek(); t.kind != end {
		if t.kind == symbol && isArithmetic(t.text) {
			return p.errorf(t, "arithmetic (%s) is not supported; a name with other characters is written as in tags['a-b']", t.text)
		}
		return p.errorf(t, "want AND, OR or the end, not %s", t.describe())
	}
	return nil
}

func isArithmetic(s string) bool {
	return s == "+" || s == "-" || s == "*" || s == "/" || s == "%"
}

// enter counts one more level of nesting at t; leave takes it off.
func (p *parser) enter(t token) error {
	if p.depth++; p.depth > MaxDepth {
		return p.errorf(t, "nested too deep; at most %d levels are allowed", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// count counts one more comparison at t.
func (p *parser) count(t token) error {
	if p.comparisons++; p.comparisons > MaxComparisons {
		return p.errorf(t, "more than %d comparisons; use IN [...] with a list", MaxComparisons)
	}
	return nil
}
