package gpio

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
)

// keptFiles is a keeper of files that are no lines.
type keptFiles map[string]*os.File

func (k keptFiles) Kept() map[string]*os.File { return k }
func (k keptFiles) Keep(string, int) error    { return errors.New("nothing is to be kept") }
func (k keptFiles) Drop(name string) error    { delete(k, name); return nil }

// A line that was kept for a lock in the mode hold is given back by a lock that is
// none any more: it would keep its level for good, and be held where it is needed.
func TestLocksThatHoldNothingGiveBackWhatWasKept(t *testing.T) {
	for _, mode := range []actuator.Mode{actuator.Pulse, actuator.Dual} {
		keeper := keptFiles{"latchd/hold/gpiochip0/sim/3/0x8": nil, "else": nil}
		line := Line{Chip: "no-such-chip", Offset: 3}
		l := New(Config{Mode: mode, Line: line, Unlock: line}, keeper, zap.NewNop())
		if _, _, err := l.Open(""); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", mode, err)
		}
		if len(keeper) > 0 {
			t.Errorf("%s: %v are still kept", mode, slices.Collect(maps.Keys(keeper)))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
