package gpio

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// consumer is the name under which tools such as gpioinfo show latchd's lines.
const consumer = "latchd"

// devDir is the directory with the device nodes of the GPIO chips.
const devDir = "/dev"

// chip is an open GPIO chip.
type chip struct {
	fd    int
	name  string // the kernel's name, such as gpiochip0
	label string // the hardware's name, such as pinctrl-bcm2711
	lines int    // the number of lines
}

// openChip opens the chip that ref names: a name (gpiochip0), a path or a label.
func openChip(ref string) (*chip, error) {
	if strings.Contains(ref, "/") {
		c, err := openChipPath(ref)
		return c, chipError(ref, err)
	}

	c, err := openChipPath(filepath.Join(devDir, ref))
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return c, chipError(ref, err)
	}
	return openChipLabel(ref)
}

// openChipPath opens the chip whose device node is path.
func openChipPath(path string) (*chip, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}

	info, err := uapi.GetChipInfo(uintptr(fd))
	if err != nil {
		unix.Close(fd)
		return nil, notAChipError{err}
	}
	return &chip{
		fd: fd, name: uapi.BytesToString(info.Name[:]), label: uapi.BytesToString(info.Label[:]), lines: int(info.Lines),
	}, nil
}

// openChipLabel opens the chip with the given label. Two chips with the same label
// are an error.
func openChipLabel(label string) (*chip, error) {
	paths, err := chipPaths(devDir)
	if err != nil {
		return nil, chipError(label, err)
	}

	var match *chip
	var others []string
	var openErr error // why a chip, which may have the label, could not be opened
	for _, path := range paths {
		c, err := openChipPath(path)
		switch {
		case err != nil:
			openErr = err
		case c.label != label:
			others = append(others, fmt.Sprintf("%s (%s)", c.name, c.label))
			c.close()
		case match != nil:
			c.close()
			match.close()
			return nil, fmt.Errorf("chip %s: %s and %s both have this label; configure the chip's path instead", label, match.name, c.name)
		default:
			match = c
		}
	}

	switch {
	case match != nil:
		return match, nil
	case openErr != nil:
		return nil, chipError(label, openErr)
	}
	return nil, chipError(label, chipNotFoundError{others})
}

// chipPaths returns the paths of the GPIO chips in a directory, one path for each
// chip. It omits further paths of the same chip: on Raspberry Pi OS, for example,
// gpiochip4 is a link to gpiochip0.
func chipPaths(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "gpiochip*"))
	if err != nil {
		return nil, err
	}

	seen := map[uint64]bool{} // key: device number
	return slices.DeleteFunc(paths, func(path string) bool {
		var info unix.Stat_t
		if err := unix.Stat(path, &info); err != nil {
			return errors.Is(err, unix.ENOENT) // a symbolic link whose target does not exist
		}
		if info.Mode&unix.S_IFMT != unix.S_IFCHR {
			return false // not a chip; the caller gets the error when it opens the path
		}

		number := uint64(info.Rdev)
		known := seen[number]
		seen[number] = true
		return known
	}), nil
}

func (c *chip) close() { unix.Close(c.fd) }

// findLine returns the kernel's information about a line, including its offset.
func (c *chip) findLine(l Line) (uapi.LineInfoV2, error) {
	if l.Name != "" {
		return c.findLineByName(l)
	}
	if l.Offset < 0 || l.Offset >= c.lines {
		return uapi.LineInfoV2{}, fmt.Errorf("%s: not found; the chip has lines 0 to %d", l, c.lines-1)
	}
	info, err := c.lineInfo(l.Offset)
	return info, lineError(l, info, err)
}

func (c *chip) findLineByName(l Line) (uapi.LineInfoV2, error) {
	var matches []uapi.LineInfoV2
	var others []string
	for offset := range c.lines {
		info, err := c.lineInfo(offset)
		if err != nil {
			return info, lineError(l, info, err)
		}

		switch name := uapi.BytesToString(info.Name[:]); {
		case name == l.Name:
			matches = append(matches, info)
		case name != "":
			others = append(others, name)
		}
	}

	switch len(matches) {
	case 1:
		return matches[0], nil
	case 0:
		return uapi.LineInfoV2{}, lineNotFound(l, others)
	}
	return uapi.LineInfoV2{}, fmt.Errorf("%s: lines %d and %d both have this name; configure the line's offset instead",
		l, matches[0].Offset, matches[1].Offset)
}

func (c *chip) lineInfo(offset int) (uapi.LineInfoV2, error) {
	info, err := uapi.GetLineInfoV2(uintptr(c.fd), offset)
	// The line's offset is valid, so these errors mean that the kernel does not support
	// this system call.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		err = errOldKernel
	}
	return info, err
}

// requestLines requests the lines at the given offsets and returns their common
// file descriptor. Each line has its own flags. Outputs start at the given values.
func (c *chip) requestLines(offsets []int, flags []uapi.LineFlagV2, values uapi.LineBitmap, attributes ...uapi.LineAttribute) (int, error) {
	r := uapi.LineRequest{Lines: uint32(len(offsets))}
	copy(r.Consumer[:], consumer)

	r.Config.Flags = flags[0]
	for i, offset := range offsets {
		r.Offsets[i] = uint32(offset)
		if flags[i] != flags[0] {
			r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: flags[i].Encode(), Mask: uapi.NewLineBits(i)})
		}
	}

	if flags[0].IsOutput() {
		attributes = append(slices.Clip(attributes), uapi.OutputValues(values).Encode())
	}
	for _, a := range attributes {
		r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: a, Mask: uapi.NewLineBitMask(len(offsets))})
	}

	if err := uapi.GetLine(uintptr(c.fd), &r); err != nil {
		return -1, err
	}
	return int(r.Fd), nil
}
