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

// fakeStore is an FDStore whose files are not GPIO lines. It refuses new files.
type fakeStore map[string]*os.File

func (s fakeStore) Files() map[string]*os.File { return s }
func (s fakeStore) Add(string, int) error      { return errors.New("the store must not get a file") }
func (s fakeStore) Remove(name string) error   { delete(s, name); return nil }

// After a change of the mode from Hold to Pulse or Dual, Open removes the stored line.
// Otherwise the line would keep its level for ever and stay in use.
func TestOpenInPulseAndDualModesEmptiesTheStore(t *testing.T) {
	t.Parallel()
	for _, mode := range []actuator.Mode{actuator.Pulse, actuator.Dual} {
		store := fakeStore{"latchd/hold/gpiochip0/sim/3/0x8": nil, "else": nil}
		line := Line{Chip: "no-such-chip", Offset: 3}
		d := New(Config{Mode: mode, Line: line, Unlock: line}, store, zap.NewNop())

		if _, _, err := d.Open(""); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", mode, err)
		}
		if len(store) > 0 {
			t.Errorf("%s: the store still has %v", mode, slices.Collect(maps.Keys(store)))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
