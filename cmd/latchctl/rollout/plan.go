package rollout

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/latchd/latchd/transport/rest"
)

const (
	// maxQuery is how many characters IoT Hub takes for a query.
	maxQuery = 8192
	// MaxCondition is how many it takes for a condition, which becomes a part of a
	// query: SELECT and the like come on top.
	MaxCondition = maxQuery - 192

	maxWaves = 99
)

// Size is how many devices have been called when a wave is over, with those of
// the waves before it: a number of devices, or a part of them all.
type Size struct {
	Count   int // devices, or
	Percent Percent
}

// ParseWaves reads sizes such as "1,10%,100%". They rise, and the last is 100%.
func ParseWaves(text string) ([]Size, error) {
	var sizes []Size
	for field := range strings.SplitSeq(text, ",") {
		s, err := parseSize(strings.TrimSpace(field))
		if err != nil {
			return nil, err
		}
		for _, before := range sizes {
			if s.Count > 0 && before.Count >= s.Count || s.Count == 0 && before.Percent >= s.Percent {
				return nil, fmt.Errorf("%s is no more than %s before it; a wave's size counts the waves before it too", s, before)
			}
		}
		sizes = append(sizes, s)
	}
	if last := sizes[len(sizes)-1]; last.Percent != wholePercent {
		return nil, fmt.Errorf("%s is the last; end with 100%%", last)
	}
	if len(sizes) > maxWaves {
		return nil, fmt.Errorf("%d waves are too many; at most %d are possible", len(sizes), maxWaves)
	}
	return sizes, nil
}

func parseSize(text string) (Size, error) {
	if strings.HasSuffix(text, "%") {
		p, err := ParsePercent(text)
		if err == nil && p == 0 {
			err = errors.New("0% is no wave")
		}
		return Size{Percent: p}, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return Size{}, fmt.Errorf("%q: want a number of devices or a percentage, such as 10 or 10%%", text)
	}
	return Size{Count: n}, nil
}

func (s Size) String() string {
	if s.Count > 0 {
		return strconv.Itoa(s.Count)
	}
	return s.Percent.String()
}

// of is how many of n devices the size stands for.
func (s Size) of(n int) int {
	if s.Count > 0 {
		return min(s.Count, n)
	}
	return s.Percent.of(n)
}

// Waves divides devices into waves, in the order of their ids. A size that adds
// no device to those before it gives no wave.
func Waves(devices []string, sizes []Size) [][]string {
	devices = slices.Clone(devices)
	slices.Sort(devices)
	var waves [][]string
	called := 0
	for _, s := range sizes {
		if n := s.of(len(devices)); n > called {
			waves = append(waves, devices[called:n:n])
			called = n
		}
	}
	return waves
}

// Parts divides devices so that a condition which names those of a part has at
// most limit characters.
func Parts(devices []string, limit int) [][]string {
	empty := len(rest.DevicesIn(nil))
	var all [][]string
	begin, length := 0, empty
	for i, id := range devices {
		more := len(rest.Quote(id)) + len(",")
		if i > begin && length+more > limit {
			all = append(all, devices[begin:i:i])
			begin, length = i, empty
		}
		length += more
	}
	if begin < len(devices) {
		all = append(all, devices[begin:])
	}
	return all
}
