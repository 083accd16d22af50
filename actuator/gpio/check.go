package gpio

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// lineID identifies a GPIO line of the machine. If the configuration names one line in
// two ways, both names have the same lineID.
type lineID struct {
	chip   string
	offset uint32
}

// Input tells how latchd reads one configured input.
type Input struct {
	Name   string // such as "door sensor"
	Polled bool   // the chip delivers no edges, so latchd reads the line every PollInterval
	Bias   Bias   // pull resistor that latchd requests; see MayIgnoreBias
}

// MayIgnoreBias reports whether the chip may not have the requested pull resistor. The
// kernel accepts the request in any case, and cannot be asked. Chips that deliver no
// edges are mostly I2C expanders, and many of these have no pull resistors.
func (i Input) MayIgnoreBias() bool {
	return i.Polled && (i.Bias == BiasPullUp || i.Bias == BiasPullDown)
}

// String describes the input in words.
func (i Input) String() string {
	if i.Polled {
		return fmt.Sprintf("the %s is read every %s, because its chip delivers no edges", i.Name, PollInterval)
	}
	return fmt.Sprintf("the %s is read by edges", i.Name)
}

// Check tests a configuration without requesting an output. All configured lines must
// exist, be free and differ from each other. Check requests each input for a moment to
// find out whether latchd must poll it. The error joins all problems that Check found.
func Check(config Config) ([]Input, error) {
	var problems []error
	seen := map[lineID]Line{}
	usable := func(line Line) bool {
		id, err := checkFree(line)
		if err != nil {
			problems = append(problems, err)
			return false
		}

		other, twice := seen[id]
		if twice {
			problems = append(problems, sameLine(line, other))
		}
		seen[id] = line
		return !twice
	}

	for _, line := range config.outputLines() {
		usable(line)
	}

	var inputs []Input
	for _, input := range config.inputLines() {
		if !usable(input.Line) {
			continue
		}

		fd, edges, err := requestInput(input.Line, input.debounce)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		unix.Close(fd)
		inputs = append(inputs, Input{input.name, !edges, input.Bias})
	}
	return inputs, errors.Join(problems...)
}

// checkFree returns the identity of a line that exists and is not in use.
func checkFree(line Line) (lineID, error) {
	c, err := openChip(line.Chip)
	if err != nil {
		return lineID{}, err
	}
	defer c.close()

	info, err := c.findLine(line)
	if err != nil {
		return lineID{}, err
	}
	if info.Flags.IsUsed() {
		return lineID{}, lineError(line, info, unix.EBUSY)
	}
	return lineID{c.name, info.Offset}, nil
}

// sameLine returns the error for two configured lines that are the same line of the
// machine.
func sameLine(a, b Line) error {
	return fmt.Errorf("%s and %s are the same line; configure two different lines", a, b)
}
