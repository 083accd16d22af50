package iothub

import (
	"strings"
	"testing"
)

func TestParseTier(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		units int
		want  string // expected part of the error; empty if no error is expected
	}{
		{"S1", 1, ""},
		{"s2", 200, ""},
		{"S3", 10, ""},
		{"f1", 1, ""},
		{"B1", 1, "want F1, S1, S2 or S3; the basic tiers have no jobs"},
		{"", 1, "want F1"},
		{"S1", 0, "want 1 to 200"},
		{"S1", 201, "1 to 200"},
		{"S3", 11, "1 to 10"},
		{"F1", 2, "1 to 1"},
	}

	for _, test := range tests {
		tier, err := ParseTier(test.name)
		if err == nil {
			err = tier.CheckUnits(test.units)
		}

		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %d units: %v, want %q", test.name, test.units, err, test.want)
		}
	}
}
