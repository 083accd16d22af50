package rollout

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxWaves is the maximum number of waves of a rollout.
const maxWaves = 99

// Size is the total number of devices that a rollout has called by the end of a wave.
// It is either a number or a percentage of all devices.
type Size struct {
	Count   int     // number of devices; 0 if the size is a percentage
	Percent Percent // percentage of all devices; 0 if the size is a number
}

// ParseWaves parses a list of wave sizes, such as "1,10%,100%". Each size must be
// larger than the previous size, and the last size must be 100%.
func ParseWaves(text string) ([]Size, error) {
	var sizes []Size
	for field := range strings.SplitSeq(text, ",") {
		s, err := parseSize(strings.TrimSpace(field))
		if err != nil {
			return nil, err
		}

		for _, before := range sizes {
			if s.Count > 0 && before.Count >= s.Count || s.Count == 0 && before.Percent >= s.Percent {
				return nil, fmt.Errorf("wave size %s is not larger than %s before it; a size includes the earlier waves", s, before)
			}
		}
		sizes = append(sizes, s)
	}

	if last := sizes[len(sizes)-1]; last.Percent != wholePercent {
		return nil, fmt.Errorf("the last wave size is %s; end with 100%%", last)
	}
	if len(sizes) > maxWaves {
		return nil, fmt.Errorf("too many waves: %d; the limit is %d", len(sizes), maxWaves)
	}
	return sizes, nil
}

// parseSize parses one wave size.
func parseSize(text string) (Size, error) {
	if strings.HasSuffix(text, "%") {
		p, err := ParsePercent(text)
		if err == nil && p == 0 {
			err = errors.New("0% is not a wave size; want more than 0%")
		}
		return Size{Percent: p}, err
	}

	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return Size{}, fmt.Errorf("%q: want a number of devices or a percentage, such as 10 or 10%%", text)
	}
	return Size{Count: n}, nil
}

// String formats the size in the syntax that ParseWaves accepts.
func (s Size) String() string {
	if s.Count > 0 {
		return strconv.Itoa(s.Count)
	}
	return s.Percent.String()
}

// of converts the size to a number of devices, for a rollout of n devices in all.
func (s Size) of(n int) int {
	if s.Count > 0 {
		return min(s.Count, n)
	}
	return s.Percent.of(n)
}

// PlanWaves sorts devices by id and divides them into waves. It creates no wave
// without devices: it skips a size that adds no device to the earlier waves.
func PlanWaves(devices []string, sizes []Size) [][]string {
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
