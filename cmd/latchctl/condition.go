package main

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

var (
	wholeSelect = regexp.MustCompile(`(?is)^\s*SELECT\s.*?(\sWHERE\s+(.*))?$`)
	whereWord   = regexp.MustCompile(`(?is)^\s*WHERE\s+(.*)$`)
)

// checkCondition points out what conditionFault finds in the condition that is a
// flag's value.
func checkCondition(cmd *cobra.Command, flag, where string) error {
	fault, rest := conditionFault(where)
	switch {
	case fault == "":
		return nil
	case rest == "":
		return usagef(cmd, "%s %s", flag, fault)
	}
	return usagef(cmd, "%s %s: %s %q", flag, fault, flag, rest)
}

// conditionFault says what the hub would only call a syntax error: a whole
// SELECT, or the word WHERE, given as a condition. The text follows the name of
// where it was given; rest is the condition in it, if there is one.
func conditionFault(where string) (fault, rest string) {
	if strings.TrimSpace(where) == "" {
		return "is empty; '*' stands for all devices", ""
	}
	if m := wholeSelect.FindStringSubmatch(where); m != nil {
		rest = m[2]
		if rest == "" {
			return "is a whole SELECT; it takes only the condition, what stands after WHERE, or '*' for all devices", ""
		}
	} else if m := whereWord.FindStringSubmatch(where); m != nil {
		rest = m[1]
	} else {
		return "", ""
	}
	return "takes only the condition, what stands after WHERE", rest
}

// selectText is the query that shows which devices a condition selects. The
// condition has a line of its own, so that its positions can be told.
func selectText(fields, where string) string {
	text := "SELECT " + fields + " FROM devices"
	if strings.TrimSpace(where) != "*" {
		text += " WHERE\n" + where
	}
	return text
}

var linePosition = regexp.MustCompile(`\bline (\d+):`)

// conditionPosition turns the position in a query of selectText, as the embedded
// hub gives it, into the one in its condition.
func conditionPosition(message string) string {
	return linePosition.ReplaceAllStringFunc(message, func(m string) string {
		line, err := strconv.Atoi(linePosition.FindStringSubmatch(m)[1])
		if err != nil || line < 2 {
			return m
		}
		return "line " + strconv.Itoa(line-1) + ":"
	})
}
