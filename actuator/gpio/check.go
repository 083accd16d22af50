package gpio

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// lineID identifies a GPIO line of the machine, however the configuration names it.
type lineID struct {
	chip   string
	offset uint32
}

// Check reports whether all configured lines exist, are free and differ from each
// other. It requests no line. The error joins all problems that it found.
func Check(config Config) error {
	lines := config.outputLines()
	if b := config.Bolt; b != nil {
		lines = append(lines, b.Line)
	}
	if d := config.Door; d != nil {
		lines = append(lines, d.Line)
	}
	if e := config.Exit; e != nil {
		lines = append(lines, e.Line)
	}

	var problems []error
	seen := map[lineID]Line{}
	for _, line := range lines {
		id, err := checkFree(line)
		if err != nil {
			problems = append(problems, err)
			continue
		}

		if other, twice := seen[id]; twice {
			problems = append(problems, sameLine(line, other))
		}
		seen[id] = line
	}
	return errors.Join(problems...)
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

// sameLine is the error of two configured lines that are one line of the machine.
func sameLine(a, b Line) error {
	return fmt.Errorf("%s and %s are the same line; configure two different lines", a, b)
}
