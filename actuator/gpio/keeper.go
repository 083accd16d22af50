package gpio

import (
	"fmt"
	"os"
	"strings"

	"github.com/warthog618/go-gpiocdev/uapi"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

// Keeper keeps open files beyond the life of the process, so that a line keeps
// its level while no process is there.
type Keeper interface {
	// Kept returns the files that were kept for this process, by the names that
	// they were kept under. They stay the keeper's.
	Kept() map[string]*os.File
	// Keep keeps a duplicate of the file. An error is no reason not to go on: the
	// line then ends with the process.
	Keep(name string, fd int) error
	// Drop closes the file of that name, and returns once that has happened.
	Drop(name string) error
}

// openHold takes the line of Hold: as it is if it was kept, or else at level.
// Lines that were kept for another configuration are given back.
func (l *Lock) openHold(level actuator.Position) (o *outputs, kept bool, err error) {
	c, err := openChip(l.config.Line.Chip)
	if err != nil {
		return nil, false, err
	}
	defer c.close()
	offset, info, err := c.find(l.config.Line)
	if err != nil {
		return nil, false, err
	}
	want := l.config.outputFlags(l.config.Line)
	name := keptName(c, offset, want)
	if o, err = l.adopt(name, info, want); o != nil || err != nil {
		return o, err == nil, err
	}
	values := uapi.NewLineBitmap(0)
	if level == l.config.Active {
		values = uapi.NewLineBitmap(1)
	}
	if o, err = request(l.config, values); err != nil {
		return nil, false, err
	}
	if l.keeper != nil {
		if err := l.keeper.Keep(name, o.fd); err != nil {
			l.log.Warn("the lock's line will not outlive this process", zap.Error(err))
		}
	}
	return o, false, nil
}

// adopt returns the line that was kept under name, nil if there is none. All
// others are dropped, and also this one if it is not what its name says.
func (l *Lock) adopt(name string, info uapi.LineInfoV2, want uapi.LineFlagV2) (*outputs, error) {
	if l.keeper == nil {
		return nil, nil
	}
	var found *outputs
	for other, file := range l.keeper.Kept() {
		problem := "it is not the configured line"
		if other == name {
			o, err := check(file, info, want)
			if err == nil {
				found = o
				continue
			}
			problem = err.Error()
		}
		l.log.Warn("a line that was kept is given back", zap.String("line", other), zap.String("reason", problem))
		if err := l.keeper.Drop(other); err != nil {
			return nil, fmt.Errorf("give back the kept line %s: %w", other, err)
		}
	}
	return found, nil
}

// check returns the line of a kept file if it can be read and the kernel says
// that it is held as it should be.
func check(file *os.File, info uapi.LineInfoV2, want uapi.LineFlagV2) (*outputs, error) {
	if holder := uapi.BytesToString(info.Consumer[:]); holder != consumer {
		return nil, fmt.Errorf("the kernel says that it is held by %q", holder)
	}
	if got := info.Flags &^ uapi.LineFlagV2Used; got != want {
		return nil, fmt.Errorf("its flags are %#x, want %#x", uint64(got), uint64(want))
	}
	// A duplicate of this process's own: the keeper's stays open.
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate it: %w", err)
	}
	o := &outputs{fd, 1}
	if _, err := o.get(0); err != nil {
		o.close()
		return nil, fmt.Errorf("read it: %w", err)
	}
	return o, nil
}

// keptName says what a kept line is: its role, chip, offset and flags.
func keptName(c *chip, offset int, flags uapi.LineFlagV2) string {
	words := []string{"latchd", "hold", c.name, c.label, fmt.Sprint(offset), fmt.Sprintf("%#x", uint64(flags))}
	clean := func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ':' || r == '/' {
			return '_'
		}
		return r
	}
	for i, w := range words {
		words[i] = strings.Map(clean, w)
	}
	return strings.Join(words, "/")
}
