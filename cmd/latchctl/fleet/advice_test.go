package fleet

import (
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// TestEveryOutcomeHasAdvice checks that outcomeAdvice has a remedy for each failed
// outcome and for pending, and for no other outcome.
func TestEveryOutcomeHasAdvice(t *testing.T) {
	outcomes := append([]iothub.Outcome{iothub.Pending}, FailedOutcomes[:]...)
	for _, o := range outcomes {
		if outcomeAdvice[o] == "" {
			t.Errorf("no advice for %s", o)
		}
	}
	if len(outcomeAdvice) != len(outcomes) {
		t.Errorf("there are %d remedies for %d outcomes", len(outcomeAdvice), len(outcomes))
	}
}
