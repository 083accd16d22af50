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

// checkCondition points out what the hub would only call a syntax error: a whole
// SELECT, or the word WHERE, given as the condition that is a flag's value.
func checkCondition(cmd *cobra.Command, flag, where string) error {
	if strings.TrimSpace(where) == "" {
		return usagef(cmd, "%s is empty; '*' stands for all devices", flag)
	}
	rest := ""
	if m := wholeSelect.FindStringSubmatch(where); m != nil {
		rest = m[2]
		if rest == "" {
			return usagef(cmd, "%s is a whole SELECT; it takes only the condition, what stands after WHERE, or '*' for all devices", flag)
		}
	} else if m := whereWord.FindStringSubmatch(where); m != nil {
		rest = m[1]
	} else {
		return nil
	}
	return usagef(cmd, `%s takes only the condition, what stands after WHERE: %[1]s %q`, flag, rest)
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
