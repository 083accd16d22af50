package gpio

import "testing"

// Only a pull resistor that a chip without edges should apply is in doubt.
func TestMayIgnoreBias(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		polled bool
		bias   Bias
		want   bool
	}{
		{true, BiasPullUp, true},
		{true, BiasPullDown, true},
		{true, BiasAsIs, false},
		{true, BiasDisabled, false},
		{false, BiasPullUp, false},
	} {
		if got := (Input{"door sensor", tc.polled, tc.bias}).MayIgnoreBias(); got != tc.want {
			t.Errorf("polled %t, bias %q: %t, want %t", tc.polled, tc.bias, got, tc.want)
		}
	}
}
