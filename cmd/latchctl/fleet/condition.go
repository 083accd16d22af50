package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// ConditionFault is a mistake in a condition.
type ConditionFault struct {
	Problem    string // explains the mistake, in words that follow the name of a flag or a box
	Suggestion string // the condition that the user probably meant; may be empty
}

var (
	wholeSelect = regexp.MustCompile(`(?is)^\s*SELECT\s.*?(\sWHERE\s+(.*))?$`)
	whereWord   = regexp.MustCompile(`(?is)^\s*WHERE\s+(.*)$`)
)

// CheckCondition finds mistakes that a hub would report only as a syntax error, such as
// a whole SELECT statement instead of a condition, and conditions that are too long for
// IoT Hub. It returns nil if it finds none.
func CheckCondition(where string) *ConditionFault {
	const want = "takes only the condition, the part of a query after WHERE"

	if strings.TrimSpace(where) == "" {
		return &ConditionFault{Problem: "is empty; give a condition, or '*' to select all devices"}
	}
	if n := utf8.RuneCountInString(where); n > rest.MaxCondition {
		return &ConditionFault{Problem: fmt.Sprintf("has %d characters, and IoT Hub accepts %d; select the devices by a tag, or in several commands", n, rest.MaxCondition)}
	}
	if m := whereWord.FindStringSubmatch(where); m != nil {
		return &ConditionFault{want, m[1]}
	}

	m := wholeSelect.FindStringSubmatch(where)
	switch {
	case m == nil:
		return nil
	case m[2] == "":
		return &ConditionFault{Problem: "is a whole SELECT statement; it " + want + ", or '*' to select all devices"}
	}

	return &ConditionFault{want, m[2]}
}

// QueryText returns the query for the given fields of the devices that meet a condition.
// The condition begins on a new line of the query, so that conditionError can correct
// the line number in the hub's error message.
func QueryText(fields, where string) string {
	text := "SELECT " + fields + " FROM devices"
	if strings.TrimSpace(where) != "*" {
		text += " WHERE\n" + where
	}

	return text
}

// Query reads the given fields of the devices that meet a condition. If the hub rejects
// the condition, the error's line and column refer to the condition.
func (f *Fleet) Query(ctx context.Context, fields, where string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for row, err := range f.Hub.Query(ctx, QueryText(fields, where)) {
			if !yield(row, conditionError(err)) {
				return
			}
		}
	}
}

var linePosition = regexp.MustCompile(`\bline (\d+):`)

// conditionError returns the hub's error about a query of QueryText as an error about
// the condition in it. It returns other errors unchanged. The protocol has no field for
// the position of a mistake, so the position is in the hub's text.
func conditionError(err error) error {
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok || refusal.Status != 400 {
		return err
	}

	inCondition := *refusal
	inCondition.Message = linePosition.ReplaceAllStringFunc(refusal.Message, func(m string) string {
		line, err := strconv.Atoi(linePosition.FindStringSubmatch(m)[1])
		if err != nil || line < 2 {
			return m
		}

		return "line " + strconv.Itoa(line-1) + ":"
	})

	return fmt.Errorf("the hub rejects the condition: %w", &inCondition)
}
