package main

import (
	"github.com/latchd/latchd/cmd/latchctl/fleet"
)

// checkCondition returns a usage error if a flag's value is not a condition. If
// possible, the error suggests a corrected condition.
func checkCondition(flag, where string) error {
	fault := fleet.CheckCondition(where)
	switch {
	case fault == nil:
		return nil
	case fault.Suggestion == "":
		return usagef("%s %s", flag, fault.Problem)
	}

	return usagef("%s %s: %s %q", flag, fault.Problem, flag, fault.Suggestion)
}
