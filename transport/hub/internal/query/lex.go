package query

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEnd       tokenKind = iota
	tokWord                // a keyword or a name without brackets
	tokBracketed           // a name in double brackets, such as [[status]]; never a keyword
	tokSubscript           // a name in brackets and quotes, such as ['a b'], which continues a path
	tokString              // a string in quotes
	tokNumber              // a number, stored in token.value
	tokSymbol              // an operator or a punctuation mark
)

// token is one word, number, string or symbol in a query.
type token struct {
	kind  tokenKind
	pos   int     // byte offset of the token in the query's text
	text  string  // the word, name or symbol; strings are without quotes and escapes
	value float64 // value of a number
}

// describe returns a description of the token for error messages.
func (t token) describe() string {
	switch t.kind {
	case tokEnd:
		return "the end of the text"
	case tokString:
		return "a string"
	case tokNumber:
		return "a number"
	}
	return strconv.Quote(t.text)
}

// is reports whether the token is the given keyword, without regard to case.
func (t token) is(keyword string) bool {
	return t.kind == tokWord && strings.EqualFold(t.text, keyword)
}

// isSymbol reports whether the token is the given operator or punctuation mark.
func (t token) isSymbol(s string) bool { return t.kind == tokSymbol && t.text == s }

// lex splits the text of a query into tokens. The last token is always tokEnd.
func lex(input string) ([]token, *Error) {
	if pos := invalidUTF8(input); pos >= 0 {
		return nil, errorAt(input, pos, "the text is not valid UTF-8")
	}

	l := lexer{input: input}
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		l.tokens = append(l.tokens, t)
		if t.kind == tokEnd {
			return l.tokens, nil
		}
	}
}

// invalidUTF8 returns the offset of the first byte of text that is not valid UTF-8, or
// -1.
func invalidUTF8(s string) int {
	for i, r := range s {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
			return i
		}
	}
	return -1
}

// lexer splits a query into tokens. pos is the byte offset at which the next token
// begins.
type lexer struct {
	input  string
	pos    int
	tokens []token // the tokens read so far
}

// next reads the next token from the input.
func (l *lexer) next() (token, *Error) {
	l.skipSpace()
	start := l.pos
	rest := l.input[start:]
	if rest == "" {
		return token{kind: tokEnd, pos: start}, nil
	}

	for _, s := range []string{"!=", "<>", "<=", ">="} {
		if strings.HasPrefix(rest, s) {
			l.pos += len(s)
			return token{kind: tokSymbol, pos: start, text: s}, nil
		}
	}

	switch c := rest[0]; {
	case c == '\'' || c == '"':
		return l.quoted(c)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]) && !l.afterName():
		return l.number()
	case strings.HasPrefix(rest, "[["):
		return l.bracketed()
	case c == '[' && l.subscriptMayFollow():
		return l.subscript()
	case strings.IndexByte("=<>(),.[]*+-/%", c) >= 0:
		l.pos++
		return token{kind: tokSymbol, pos: start, text: rest[:1]}, nil
	}

	r, _ := utf8.DecodeRuneInString(rest)
	if !isNameRune(r) {
		return token{}, errorAt(l.input, start, "found %q, which is not part of the query language", r)
	}

	n := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) && !unicode.IsDigit(r) })
	if n < 0 {
		n = len(rest)
	}
	l.pos += n
	return token{kind: tokWord, pos: start, text: rest[:n]}, nil
}

// skipSpace skips spaces, tabs and line ends.
func (l *lexer) skipSpace() {
	for l.pos < len(l.input) && strings.IndexByte(" \t\r\n", l.input[l.pos]) >= 0 {
		l.pos++
	}
}

// nextIs reports whether the next byte of the input is c.
func (l *lexer) nextIs(c byte) bool { return l.pos < len(l.input) && l.input[l.pos] == c }

// afterName reports whether the previous token is a name. A dot after a name continues a
// path: in tags.1a, ".1" is not a number.
func (l *lexer) afterName() bool {
	if len(l.tokens) == 0 {
		return false
	}
	k := l.tokens[len(l.tokens)-1].kind
	return k == tokWord || k == tokBracketed || k == tokSubscript
}

// subscriptMayFollow reports whether a '[' at the current position continues a path, as
// in tags['a b']. After the keyword IN it begins a list instead. In tags.in['a b'] the
// word "in" is a name, so the path continues.
func (l *lexer) subscriptMayFollow() bool {
	if !l.afterName() {
		return false
	}
	n := len(l.tokens)
	last := l.tokens[n-1]
	return !last.is("IN") && !last.is("NIN") || n > 1 && l.tokens[n-2].isSymbol(".")
}

// bracketed reads a name in double brackets, such as [[a b]].
func (l *lexer) bracketed() (token, *Error) {
	start := l.pos
	rest := l.input[start:]
	n := strings.Index(rest, "]]")
	if n < 0 {
		return token{}, errorAt(l.input, start, `"[[" without "]]"`)
	}
	if n == 2 {
		return token{}, errorAt(l.input, start, "the name in the brackets is empty")
	}

	l.pos += n + 2
	return token{kind: tokBracketed, pos: start, text: rest[2:n]}, nil
}

// subscript reads a name in brackets and quotes, such as ['a b'].
func (l *lexer) subscript() (token, *Error) {
	start := l.pos
	l.pos++
	l.skipSpace()
	if !l.nextIs('\'') && !l.nextIs('"') {
		return token{}, errorAt(l.input, l.pos, "expected a property name in quotes after '['")
	}

	name, err := l.quoted(l.input[l.pos])
	if err != nil {
		return token{}, err
	}
	if name.text == "" {
		return token{}, errorAt(l.input, name.pos, "the name in the brackets is empty")
	}

	l.skipSpace()
	if !l.nextIs(']') {
		return token{}, errorAt(l.input, l.pos, "expected ']' after the property name")
	}
	l.pos++
	return token{kind: tokSubscript, pos: start, text: name.text}, nil
}

// quoted reads a string in quotes. It supports the escapes that IoT Hub documents: \' \"
// \\ and \uXXXX.
func (l *lexer) quoted(quote byte) (token, *Error) {
	start := l.pos
	var b strings.Builder

	for i := start + 1; i < len(l.input); {
		switch c := l.input[i]; c {
		case quote:
			l.pos = i + 1
			return token{kind: tokString, pos: start, text: b.String()}, nil
		case '\\':
			r, n, err := l.escape(i)
			if err != nil {
				return token{}, err
			}
			b.WriteRune(r)
			i += n
		case 0:
			return token{}, errorAt(l.input, i, "a string cannot contain U+0000")
		default:
			b.WriteByte(c)
			i++
		}
	}
	return token{}, errorAt(l.input, start, "the string has no closing %c", quote)
}

// escape reads the escape sequence at offset i of the input. It returns the character
// that the sequence represents, and the length of the sequence in bytes.
func (l *lexer) escape(i int) (r rune, size int, e *Error) {
	rest := l.input[i:]
	if len(rest) > 1 && strings.IndexByte(`'"\`, rest[1]) >= 0 {
		return rune(rest[1]), 2, nil
	}
	if !strings.HasPrefix(rest, `\u`) {
		return 0, 0, errorAt(l.input, i, `unknown escape: allowed are \' \" \\ and \uXXXX`)
	}

	r, ok := hex4(rest)
	switch {
	case !ok:
		return 0, 0, errorAt(l.input, i, `expected four hexadecimal digits after \u`)
	case r == 0:
		return 0, 0, errorAt(l.input, i, "a string cannot contain U+0000")
	case !utf16.IsSurrogate(r):
		return r, 6, nil
	}

	low, ok := hex4(rest[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == unicode.ReplacementChar {
		return 0, 0, errorAt(l.input, i, `\u%s is half of a surrogate pair, and the other half is missing`, rest[2:6])
	}
	return r, 12, nil
}

// hex4 reads an escape sequence \uXXXX at the start of s.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// number reads a decimal number, or a hexadecimal number that begins with 0x. The parser,
// not the lexer, reads the sign.
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
		// The query language has no numbers like 0x1p-2, 1_000, inf and nan, but
		// ParseFloat accepts them.
		if strings.IndexFunc(lexeme, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) }) >= 0 {
			return token{}, errorAt(l.input, start, "%q is not a number", lexeme)
		}
		v, err = strconv.ParseFloat(lexeme, 64)
	}
	if err != nil || math.IsInf(v, 0) {
		return token{}, errorAt(l.input, start, "%q is not a number, or it is too large", lexeme)
	}

	l.pos += n
	return token{kind: tokNumber, pos: start, value: v}, nil
}

func isHex(s string) bool { return strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isASCIILetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// isNameRune reports whether r is allowed at the start of a name. Digits are also allowed
// after the start. Dashes are not allowed: tags.a-b is a subtraction. For a name with a
// dash, write tags['a-b'].
func isNameRune(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) }
