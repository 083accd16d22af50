package gpio

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Check looks whether the lines are there and free, and takes none. It returns
// all that is wrong.
func Check(config Config) error {
	lines := config.outputs()
	if b := config.Bolt; b != nil {
		lines = append(lines, b.Line)
	}
	if d := config.Door; d != nil {
		lines = append(lines, d.Line)
	}
	var problems []error
	taken := map[string]Line{}
	for _, line := range lines {
		place, err := checkLine(line)
		if err == nil && taken[place] != (Line{}) {
			err = fmt.Errorf("%s: it is the same line as %s", line, taken[place])
		}
		taken[place] = line
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// checkLine returns the chip and the offset of a line that is free.
func checkLine(line Line) (place string, err error) {
	c, err := openChip(line.Chip)
	if err != nil {
		return "", err
	}
	defer c.close()
	offset, info, err := c.find(line)
	if err == nil && info.Flags.IsUsed() {
		err = lineError(line, info, unix.EBUSY)
	}
	return fmt.Sprintf("%s/%d", c.name, offset), err
}
