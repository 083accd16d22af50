package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error reports a mistake in a query, with its position in the text.
type Error struct {
	Pos int // byte offset in the text, from 0
	Msg string

	line, column int // both from 1; columns are counted in characters
}

// Error returns the position and the description, such as "line 1:12: expected ...".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d:%d: %s", e.line, e.column, e.Msg)
}

// errorAt returns an Error at byte offset pos of the query's text.
func errorAt(text string, pos int, format string, args ...any) *Error {
	before := text[:min(pos, len(text))]
	line := strings.Count(before, "\n") + 1
	lineStart := strings.LastIndexByte(before, '\n') + 1

	return &Error{
		Pos: pos, Msg: fmt.Sprintf(format, args...),
		line: line, column: utf8.RuneCountInString(before[lineStart:]) + 1,
	}
}
