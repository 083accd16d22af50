package gpio

import (
	"fmt"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// outputs are lines that were requested together, in the order of
// Config.outputs. Values are logical: active or not.
type outputs struct {
	fd int
	n  int
}

// request takes the lines as outputs at the values given.
func request(config Config, values uapi.LineBitmap) (*outputs, error) {
	c, err := openChip(config.Line.Chip)
	if err != nil {
		return nil, err
	}
	defer c.close()
	lines := config.outputs()
	offsets, flags := make([]int, len(lines)), make([]uapi.LineFlagV2, len(lines))
	for i, line := range lines {
		if offsets[i], _, err = c.find(line); err != nil {
			return nil, err
		}
		flags[i] = config.outputFlags(line)
	}
	if len(lines) == 2 && offsets[0] == offsets[1] {
		return nil, fmt.Errorf("%s and %s are the same line; each direction needs its own", lines[0], lines[1])
	}
	fd, err := c.request(offsets, flags, values)
	if err != nil {
		return nil, c.explain(lines, err)
	}
	return &outputs{fd, len(lines)}, nil
}

// explain says why lines could not be requested, by the line that is held if
// there is one.
func (c *chip) explain(lines []Line, err error) error {
	for _, line := range lines {
		if _, info, infoErr := c.find(line); infoErr == nil && info.Flags.IsUsed() {
			return lineError(line, info, err)
		}
	}
	return lineError(lines[0], uapi.LineInfoV2{}, err)
}

// set makes one line active or not, and leaves the others.
func (o *outputs) set(i int, active bool) error {
	v := uapi.LineValues{Mask: uapi.NewLineBits(i)}
	if active {
		v.Bits = v.Mask
	}
	return uapi.SetLineValuesV2(uintptr(o.fd), v)
}

// idle makes all lines inactive.
func (o *outputs) idle() error {
	return uapi.SetLineValuesV2(uintptr(o.fd), uapi.LineValues{Mask: uapi.NewLineBitMask(o.n)})
}

func (o *outputs) get(i int) (active bool, err error) {
	v := uapi.LineValues{Mask: uapi.NewLineBits(i)}
	if err := uapi.GetLineValuesV2(uintptr(o.fd), &v); err != nil {
		return false, err
	}
	return v.Get(i) == 1, nil
}

func (o *outputs) close() { unix.Close(o.fd) }
