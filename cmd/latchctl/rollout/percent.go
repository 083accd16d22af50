package rollout

import (
	"fmt"
	"strconv"
	"strings"
)

// Percent is a part of the whole in hundredths of a percent.
type Percent int

const wholePercent Percent = 100_00

// ParsePercent reads "5%" and "0.25%".
func ParsePercent(text string) (Percent, error) {
	wrong := fmt.Errorf("%q: want a percentage from 0%% to 100%%, such as 5%% or 0.25%%", text)
	number, ok := strings.CutSuffix(text, "%")
	whole, fraction, hasFraction := strings.Cut(number, ".")
	if !ok || whole == "" || hasFraction && fraction == "" || len(fraction) > 2 || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, wrong
	}
	for len(fraction) < 2 {
		fraction += "0"
	}
	n, err := strconv.Atoi(whole + fraction)
	if err != nil || Percent(n) > wholePercent {
		return 0, wrong
	}
	return Percent(n), nil
}

func (p Percent) String() string {
	return strconv.FormatFloat(float64(p)/100, 'f', -1, 64) + "%"
}

// Set and Type make it a flag.
func (p *Percent) Set(text string) (err error) {
	*p, err = ParsePercent(text)
	return err
}

// Type names the flag's value.
func (p *Percent) Type() string { return "percent" }

// MarshalText and UnmarshalText make it text in the file.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (p *Percent) UnmarshalText(text []byte) error { return p.Set(string(text)) }

// of is the part of n, rounded up: a part of some devices is at least one.
func (p Percent) of(n int) int {
	return int((int64(n)*int64(p) + int64(wholePercent) - 1) / int64(wholePercent))
}

// exceededBy reports whether n of all are more than the percentage.
func (p Percent) exceededBy(n, all int) bool {
	return int64(n)*int64(wholePercent) > int64(all)*int64(p)
}
