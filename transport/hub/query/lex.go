package query

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is what a token is.
type kind int

const (
	end       kind = iota
	word           // a name or a keyword
	name           // a name in double brackets, [[...]]: never a keyword
	subscript      // a name in quotes and brackets, ['...'], which continues a path
	text           // a string
	number         // value is a float64
	symbol         // an operator or punctuation
)

// token is one lexeme. For a word, a name or a string, text is what it says;
// for a symbol, the symbol.
type token struct {
	kind  kind
	pos   int
	text  string
	value float64
}

// describe names the token in an error.
func (t token) describe() string {
	switch t.kind {
	case end:
		return "the end"
	case text:
		return "a string"
	case number:
		return "a number"
	}
	return strconv.Quote(t.text)
}

// is reports whether the token is the keyword, in any case.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// lex splits the text into tokens; the last one is of kind end.
func lex(input string) ([]token, *Error) {
	if len(input) > MaxLength {
		return nil, errorAt(input, MaxLength, "the text has %d bytes; at most %d are allowed", len(input), MaxLength)
	}
	if !utf8.ValidString(input) {
		i := 0
		for {
			r, size := utf8.DecodeRuneInString(input[i:])
			if r == utf8.RuneError && size == 1 {
				return nil, errorAt(input, i, "the text is not UTF-8")
			}
			i += size
		}
	}
	l := lexer{input: input}
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		l.tokens = append(l.tokens, t)
		if t.kind == end {
			return l.tokens, nil
		}
	}
}

type lexer struct {
	input  string
	pos    int
	tokens []token
}

func (l *lexer) next() (token, *Error) {
	for l.pos < len(l.input) && strings.IndexByte(" \t\r\n", l.input[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	rest := l.input[start:]
	if rest == "" {
		return token{kind: end, pos: start}, nil
	}
	for _, s := range []string{"!=", "<>", "<=", ">="} {
		if strings.HasPrefix(rest, s) {
			l.pos += len(s)
			if s == "<>" {
				s = "!="
			}
			return token{kind: symbol, pos: start, text: s}, nil
		}
	}
	switch c := rest[0]; {
	case c == '\'' || c == '"':
		return l.quoted(c)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]) && !l.afterName():
		return l.number()
	case c == '[':
		if t, ok, err := l.bracketed(); ok || err != nil {
			return t, err
		}
		l.pos++
		return token{kind: symbol, pos: start, text: "["}, nil
	case strings.IndexByte("=<>(),.*]+-/%", c) >= 0:
		l.pos++
		return token{kind: symbol, pos: start, text: rest[:1]}, nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	if !isNameRune(r) {
		return token{}, errorAt(l.input, start, "unexpected %q", r)
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) && !unicode.IsDigit(r) })
	if n < 0 {
		n = len(rest)
	}
	l.pos += n
	return token{kind: word, pos: start, text: rest[:n]}, nil
}

// afterName reports whether the token before may be continued by a '.', so that
// tags.1a is no number.
func (l *lexer) afterName() bool {
	if len(l.tokens) == 0 {
		return false
	}
	k := l.tokens[len(l.tokens)-1].kind
	return k == word || k == name || k == subscript
}

// bracketed reads a property's name as [[a b]], or as ['a b'] where a path can go
// on. A list after IN begins with a bracket too, hence the look behind.
func (l *lexer) bracketed() (t token, ok bool, err *Error) {
	start := l.pos
	rest := l.input[start:]
	if strings.HasPrefix(rest, "[[") {
		n := strings.Index(rest, "]]")
		if n < 0 {
			return t, false, errorAt(l.input, start, `"[[" without "]]"`)
		}
		if n == 2 {
			return t, false, errorAt(l.input, start, "the name in the brackets is empty")
		}
		l.pos += n + 2
		return token{kind: name, pos: start, text: rest[2:n]}, true, nil
	}
	if len(l.tokens) == 0 {
		return t, false, nil
	}
	before := l.tokens[len(l.tokens)-1]
	isPath := before.kind == word && !before.is("IN") && !before.is("NIN") || before.kind == name || before.kind == subscript
	if !isPath && !l.pathEndsInKeyword() {
		return t, false, nil
	}
	l.pos++
	for l.pos < len(l.input) && strings.IndexByte(" \t\r\n", l.input[l.pos]) >= 0 {
		l.pos++
	}
	if l.pos == len(l.input) || l.input[l.pos] != '\'' && l.input[l.pos] != '"' {
		return t, false, errorAt(l.input, l.pos, "want a property's name in quotes after '['")
	}
	t, err = l.quoted(l.input[l.pos])
	if err != nil {
		return t, false, err
	}
	if t.text == "" {
		return t, false, errorAt(l.input, t.pos, "the name in the brackets is empty")
	}
	for l.pos < len(l.input) && strings.IndexByte(" \t\r\n", l.input[l.pos]) >= 0 {
		l.pos++
	}
	if l.pos == len(l.input) || l.input[l.pos] != ']' {
		return t, false, errorAt(l.input, l.pos, "want ']' after the property's name")
	}
	l.pos++
	return token{kind: subscript, pos: start, text: t.text}, true, nil
}

// pathEndsInKeyword reports whether the token before is IN or NIN as a part of a
// path, as in tags.in['a b'].
func (l *lexer) pathEndsInKeyword() bool {
	n := len(l.tokens)
	if n < 2 || l.tokens[n-1].kind != word {
		return false
	}
	return l.tokens[n-2].kind == symbol && l.tokens[n-2].text == "."
}

// quoted reads a string with the escapes that IoT Hub's documentation names:
// \' \" \\ and \uXXXX.
func (l *lexer) quoted(quote byte) (token, *Error) {
	start := l.pos
	var b strings.Builder
	for i := start + 1; i < len(l.input); {
		switch c := l.input[i]; c {
		case quote:
			l.pos = i + 1
			return token{kind: text, pos: start, text: b.String()}, nil
		case '\\':
			r, n, err := l.escape(i)
			if err != nil {
				return token{}, err
			}
			b.WriteRune(r)
			i += n
		case 0:
			return token{}, errorAt(l.input, i, "a string cannot contain the character 0")
		default:
			b.WriteByte(c)
			i++
		}
	}
	return token{}, errorAt(l.input, start, "the string has no closing %c", quote)
}

// escape reads the escape at i and returns the character and the length.
func (l *lexer) escape(i int) (rune, int, *Error) {
	rest := l.input[i:]
	if len(rest) > 1 {
		switch rest[1] {
		case '\'', '"', '\\':
			return rune(rest[1]), 2, nil
		case 'u':
			r, ok := hex4(rest)
			if !ok {
				return 0, 0, errorAt(l.input, i, `want four hexadecimal digits after \u`)
			}
			if r == 0 {
				return 0, 0, errorAt(l.input, i, "a string cannot contain the character 0")
			}
			if !utf16.IsSurrogate(r) {
				return r, 6, nil
			}
			if low, ok := hex4(rest[6:]); ok {
				if r = utf16.DecodeRune(r, low); r != unicode.ReplacementChar {
					return r, 12, nil
				}
			}
			return 0, 0, errorAt(l.input, i, `\u%s is half of a character; the other half does not follow`, rest[2:6])
		}
	}
	return 0, 0, errorAt(l.input, i, `unknown escape; allowed are \' \" \\ and \uXXXX`)
}

// hex4 reads \uXXXX at the start of s.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// number reads a decimal number, or a hexadecimal one after 0x. The sign is the
// parser's.
func (l *lexer) number() (token, *Error) {
	start := l.pos
	rest := l.input[start:]
	n := 0
	for n < len(rest) && (isDigit(rest[n]) || rest[n] == '.' || isASCIILetter(rest[n]) ||
		(rest[n] == '+' || rest[n] == '-') && strings.IndexByte("eE", rest[n-1]) >= 0 && !isHex(rest)) {
		n++
	}
	lexeme := rest[:n]
	var v float64
	var err error
	if isHex(lexeme) {
		var u uint64
		u, err = strconv.ParseUint(lexeme[2:], 16, 64)
		v = float64(u)
	} else {
		// ParseFloat alone would also take 0x1p-2, 1_000, inf and nan; only digits,
		// a point and an exponent reach it here.
		if strings.IndexFunc(lexeme, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) }) >= 0 {
			return token{}, errorAt(l.input, start, "%q is not a number", lexeme)
		}
		v, err = strconv.ParseFloat(lexeme, 64)
	}
	if err != nil || math.IsInf(v, 0) {
		return token{}, errorAt(l.input, start, "%q is not a number, or too large", lexeme)
	}
	l.pos += n
	return token{kind: number, pos: start, value: v}, nil
}

func isHex(s string) bool { return strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isASCIILetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// isNameRune reports whether r can begin a name; digits can follow. A dash
// cannot: tags.a-b is a subtraction, the name is written ['a-b'].
func isNameRune(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) }
