package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error describes a mistake in the text of a query, with its position.
type Error struct {
	Pos int // byte offset in the text, from 0
	Msg string

	line, column int // both from 1; the column counts characters
}

// Error returns the position and the message, such as "line 1:12: expected ...".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d:%d: %s", e.line, e.column, e.Msg)
}

// errorAt returns an Error at the byte offset pos of text.
func errorAt(text string, pos int, format string, args ...any) *Error {
	before := text[:min(pos, len(text))]
	line := strings.Count(before, "\n") + 1
	lineStart := strings.LastIndexByte(before, '\n') + 1

	return &Error{
		Pos: pos, Msg: fmt.Sprintf(format, args...),
		line: line, column: utf8.RuneCountInString(before[lineStart:]) + 1,
	}
}
