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

// consumer is what other programs see as the holder of a line.
const consumer = "latchd"

// devices is where chips are found.
const devices = "/dev"

// chip is an open GPIO chip.
type chip struct {
	fd    int
	name  string
	label string
	lines int
}

// openChip opens the chip of that name, path or label.
func openChip(which string) (*chip, error) {
	if strings.Contains(which, "/") {
		c, err := openPath(which)
		return c, chipError(which, err)
	}
	if c, err := openPath(filepath.Join(devices, which)); err == nil || !errors.Is(err, unix.ENOENT) {
		return c, chipError(which, err)
	}
	paths, err := filepath.Glob(filepath.Join(devices, "gpiochip*"))
	if err != nil {
		return nil, chipError(which, err)
	}
	var found *chip
	var there []string
	var hidden error // of a chip that might have been the one
	for _, path := range paths {
		c, err := openPath(path)
		switch {
		case err != nil:
			hidden = err
		case c.label != which:
			there = append(there, fmt.Sprintf("%s (%s)", c.name, c.label))
			c.close()
		case found != nil:
			c.close()
			found.close()
			return nil, fmt.Errorf("chip %s: %s and %s have that label; name the chip by its path", which, found.name, c.name)
		default:
			found = c
		}
	}
	switch {
	case found != nil:
		return found, nil
	case hidden != nil:
		return nil, chipError(which, hidden)
	}
	return nil, chipError(which, noChipError{there})
}

func openPath(path string) (*chip, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	info, err := uapi.GetChipInfo(uintptr(fd))
	if err != nil {
		unix.Close(fd)
		return nil, notChipError{err}
	}
	return &chip{
		fd: fd, name: uapi.BytesToString(info.Name[:]), label: uapi.BytesToString(info.Label[:]), lines: int(info.Lines),
	}, nil
}

func (c *chip) close() { unix.Close(c.fd) }

// find returns the line's offset and what the kernel says of it.
func (c *chip) find(l Line) (int, uapi.LineInfoV2, error) {
	if l.Name == "" {
		if l.Offset < 0 || l.Offset >= c.lines {
			return 0, uapi.LineInfoV2{}, fmt.Errorf("%s: there is no such line; the chip has lines 0 to %d", l, c.lines-1)
		}
		info, err := c.info(l.Offset)
		return l.Offset, info, lineError(l, info, err)
	}
	var named []string
	var found []uapi.LineInfoV2
	for offset := range c.lines {
		info, err := c.info(offset)
		if err != nil {
			return 0, info, lineError(l, info, err)
		}
		switch name := uapi.BytesToString(info.Name[:]); {
		case name == l.Name:
			found = append(found, info)
		case name != "":
			named = append(named, name)
		}
	}
	switch len(found) {
	case 1:
		return int(found[0].Offset), found[0], nil
	case 0:
		return 0, uapi.LineInfoV2{}, noLine(l, named)
	}
	return 0, uapi.LineInfoV2{}, fmt.Errorf("%s: lines %d and %d have that name; name the line by its offset", l, found[0].Offset, found[1].Offset)
}

func (c *chip) info(offset int) (uapi.LineInfoV2, error) {
	info, err := uapi.GetLineInfoV2(uintptr(c.fd), offset)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		err = errNoV2 // the offset is the chip's
	}
	return info, err
}

// request requests lines with the flags of each, outputs at the values given.
func (c *chip) request(offsets []int, flags []uapi.LineFlagV2, values uapi.LineBitmap, attributes ...uapi.LineAttribute) (int, error) {
	all := uapi.NewLineBitMask(len(offsets))
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
		r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: a, Mask: all})
	}
	if err := uapi.GetLine(uintptr(c.fd), &r); err != nil {
		return -1, err
	}
	return int(r.Fd), nil
}
