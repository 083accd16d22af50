package gpio

import (
	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// outputs are the output lines of one lock, in the order of Config.outputLines. They
// share one file descriptor because the kernel granted them in one request. Levels
// are logical: active or inactive.
type outputs struct {
	fd int
	n  int // the number of lines
}

// requestOutputs requests the output lines of a lock at the given values.
func requestOutputs(config Config, values uapi.LineBitmap) (*outputs, error) {
	c, err := openChip(config.Line.Chip)
	if err != nil {
		return nil, err
	}
	defer c.close()

	lines := config.outputLines()
	offsets := make([]int, len(lines))
	flags := make([]uapi.LineFlagV2, len(lines))
	for i, line := range lines {
		info, err := c.findLine(line)
		if err != nil {
			return nil, err
		}
		offsets[i] = int(info.Offset)
		flags[i] = config.outputFlags(line)
	}
	if len(lines) == 2 && offsets[0] == offsets[1] {
		return nil, sameLine(lines[0], lines[1])
	}

	fd, err := c.requestLines(offsets, flags, values)
	if err != nil {
		return nil, c.explain(lines, err)
	}
	return &outputs{fd, len(lines)}, nil
}

// explain adds the reason to the error of a failed request for several lines. If a
// line is already in use, the error names the first such line.
func (c *chip) explain(lines []Line, err error) error {
	for _, line := range lines {
		if info, infoErr := c.findLine(line); infoErr == nil && info.Flags.IsUsed() {
			return lineError(line, info, err)
		}
	}
	return lineError(lines[0], uapi.LineInfoV2{}, err)
}

// set makes line i active or inactive. The other lines keep their levels.
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

// get reports whether line i is active.
func (o *outputs) get(i int) (active bool, err error) {
	v := uapi.LineValues{Mask: uapi.NewLineBits(i)}
	if err := uapi.GetLineValuesV2(uintptr(o.fd), &v); err != nil {
		return false, err
	}
	return v.Get(i) == 1, nil
}

func (o *outputs) close() { unix.Close(o.fd) }
