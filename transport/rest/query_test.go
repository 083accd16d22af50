package rest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ids returns n device ids of five characters.
func ids(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("d%04d", i+1))
	}
	return all
}

func TestSplitDevices(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 124)
	for _, tt := range []struct {
		name    string
		devices []string
		parts   int
	}{
		{"none", nil, 0},
		{"one", ids(1), 1},
		{"some hundreds", ids(800), 1},
		{"thousands", ids(5000), 6},
		{"ids of the maximum length", []string{long + "0001", long + "0002"}, 1},
		{"many ids of the maximum length", slices.Collect(func(yield func(string) bool) {
			for _, id := range ids(100) {
				if !yield(long[:123] + id) {
					return
				}
			}
		}), 2},
		{"ids with quotes", []string{strings.Repeat("'", 128), strings.Repeat("'", 127)}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := SplitDevices(tt.devices, MaxCondition)
			if len(got) != tt.parts {
				t.Errorf("%d parts, want %d", len(got), tt.parts)
			}
			var all []string
			for i, part := range got {
				n := len(DevicesIn(part))
				if n > MaxCondition {
					t.Errorf("part %d has a condition of %d characters", i, n)
				}
				if i < len(got)-1 && n < MaxCondition-len(long)-10 {
					t.Errorf("part %d has a condition of only %d characters, and is not the last", i, n)
				}
				all = append(all, part...)
			}
			if !slices.Equal(all, tt.devices) {
				t.Error("the parts do not contain every device once")
			}
		})
	}
	if got := fmt.Sprint(SplitDevices([]string{"aaaaaaaaaa", "b"}, 15)); got != "[[aaaaaaaaaa] [b]]" {
		t.Errorf("an id that does not fit must have its own part, got %s", got)
	}
}
