package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/rest"
)

var (
	wholeSelect = regexp.MustCompile(`(?is)^\s*SELECT\s.*?(\sWHERE\s+(.*))?$`)
	whereWord   = regexp.MustCompile(`(?is)^\s*WHERE\s+(.*)$`)
)

// checkCondition returns a usage error if a flag's value is not a condition. If
// possible, the error suggests a corrected condition.
func checkCondition(flag, where string) error {
	fault, condition := conditionFault(where)
	switch {
	case fault == "":
		return nil
	case condition == "":
		return usagef("%s %s", flag, fault)
	}

	return usagef("%s %s: %s %q", flag, fault, flag, condition)
}

// conditionFault finds mistakes that the hub would report only as a syntax error,
// such as a whole SELECT statement instead of a condition, and conditions that are too
// long for IoT Hub. It returns two texts, which may be empty:
//   - fault explains the mistake, in words that follow the flag's name
//   - condition is what the user probably meant
func conditionFault(where string) (fault, condition string) {
	const want = "takes only the condition, the part of a query after WHERE"

	if strings.TrimSpace(where) == "" {
		return "is empty; give a condition, or '*' to select all devices", ""
	}
	if n := utf8.RuneCountInString(where); n > rest.MaxCondition {
		return fmt.Sprintf("has %d characters, and IoT Hub accepts %d; select the devices by a tag, or in several commands", n, rest.MaxCondition), ""
	}
	if m := whereWord.FindStringSubmatch(where); m != nil {
		return want, m[1]
	}

	m := wholeSelect.FindStringSubmatch(where)
	switch {
	case m == nil:
		return "", ""
	case m[2] == "":
		return "is a whole SELECT statement; it " + want + ", or '*' to select all devices", ""
	}

	return want, m[2]
}

// selectText returns the query for the devices that meet a condition. The condition
// begins on a new line of the query, so that conditionPosition can correct the line
// numbers in the hub's error messages.
func selectText(fields, where string) string {
	text := "SELECT " + fields + " FROM devices"
	if strings.TrimSpace(where) != "*" {
		text += " WHERE\n" + where
	}

	return text
}

var linePosition = regexp.MustCompile(`\bline (\d+):`)

// conditionPosition corrects the line numbers in a hub's error message about a query of
// selectText. In the corrected message, line 1 is the first line of the user's
// condition.
func conditionPosition(message string) string {
	return linePosition.ReplaceAllStringFunc(message, func(m string) string {
		line, err := strconv.Atoi(linePosition.FindStringSubmatch(m)[1])
		if err != nil || line < 2 {
			return m
		}

		return "line " + strconv.Itoa(line-1) + ":"
	})
}
