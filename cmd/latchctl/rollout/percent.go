package rollout

import (
	"fmt"
	"strconv"
	"strings"
)

// Percent is a percentage in hundredths of a percent: 5% has the value 500.
type Percent int

const wholePercent Percent = 100_00

// ParsePercent parses a percentage from 0% to 100% with at most two decimals, such as
// "5%" or "0.25%".
func ParsePercent(text string) (Percent, error) {
	invalid := fmt.Errorf("%q: want a percentage from 0%% to 100%%, such as 5%% or 0.25%%", text)
	number, ok := strings.CutSuffix(text, "%")
	whole, fraction, hasFraction := strings.Cut(number, ".")
	if !ok || whole == "" || hasFraction && fraction == "" || len(fraction) > 2 || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, invalid
	}

	for len(fraction) < 2 {
		fraction += "0"
	}
	n, err := strconv.Atoi(whole + fraction)
	if err != nil || Percent(n) > wholePercent {
		return 0, invalid
	}

	return Percent(n), nil
}

// String formats the percentage, such as "5%".
func (p Percent) String() string {
	return strconv.FormatFloat(float64(p)/100, 'f', -1, 64) + "%"
}

// Set parses the value of a command-line flag.
func (p *Percent) Set(text string) (err error) {
	*p, err = ParsePercent(text)
	return err
}

// Type returns the name that the help prints for the value of a percentage flag.
func (p *Percent) Type() string { return "percent" }

// MarshalText formats the percentage for the rollout's file.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses a percentage from the rollout's file.
func (p *Percent) UnmarshalText(text []byte) error { return p.Set(string(text)) }

// of returns this percentage of n devices, rounded up, so that every wave has at
// least one device.
func (p Percent) of(n int) int {
	return int((int64(n)*int64(p) + int64(wholePercent) - 1) / int64(wholePercent))
}

// exceededBy reports whether n of all devices are more than this percentage.
func (p Percent) exceededBy(n, all int) bool {
	return int64(n)*int64(wholePercent) > int64(all)*int64(p)
}
