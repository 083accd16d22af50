package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error says what is wrong with a query's text, and where.
type Error struct {
	Pos int // byte offset, from 0
	Msg string

	line, column int // from 1; the column counts characters
}

// Error gives the message after the place, such as "line 1:12: want ...".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d:%d: %s", e.line, e.column, e.Msg)
}

func errorAt(text string, pos int, format string, args ...any) *Error {
	before := text[:min(pos, len(text))]
	line := strings.Count(before, "\n") + 1
	start := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Pos: pos, Msg: fmt.Sprintf(format, args...),
		line: line, column: utf8.RuneCountInString(before[start:]) + 1,
	}
}
