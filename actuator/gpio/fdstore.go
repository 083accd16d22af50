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

// FDStore keeps files open while no process of the agent runs, so that a GPIO line
// keeps its level across restarts. An example is systemd's file descriptor store.
type FDStore interface {
	// Files returns the files that the store held when this process started. The keys are
	// the files' names. The store still owns them: the caller must not close them.
	Files() map[string]*os.File
	// Add stores a duplicate of the file descriptor under name. It replaces the
	// file that was stored under this name.
	Add(name string, fd int) error
	// Remove makes the store close the stored file with this name, and waits until the
	// store has closed it.
	Remove(name string) error
}

// openHold opens the output line in Hold mode. If the store has the line, openHold
// adopts it. Otherwise it requests the line at the given level. It removes all other
// lines from the store.
func (d *Driver) openHold(level actuator.Position) (o *outputs, adopted bool, err error) {
	c, err := openChip(d.config.Line.Chip)
	if err != nil {
		return nil, false, err
	}
	defer c.close()

	info, err := c.findLine(d.config.Line)
	if err != nil {
		return nil, false, err
	}

	flags := d.config.outputFlags(d.config.Line)
	name := storedName(c, int(info.Offset), flags)
	if o, err = d.adopt(name, info, flags); o != nil || err != nil {
		return o, err == nil, err
	}

	values := uapi.NewLineBitmap(0)
	if level == d.config.Active {
		values = uapi.NewLineBitmap(1)
	}
	if o, err = requestOutputs(d.config, values); err != nil {
		return nil, false, err
	}

	if d.store != nil {
		if err := d.store.Add(name, o.fd); err != nil {
			d.log.Warn("cannot store the lock's line; the line will be released when this process ends", zap.Error(err))
		}
	}
	return o, false, nil
}

// adopt returns the line that is stored under name. It returns nil if the store does
// not have the line, or if the stored line differs from info and flags. It removes all
// lines from the store that it does not return.
func (d *Driver) adopt(name string, info uapi.LineInfoV2, flags uapi.LineFlagV2) (*outputs, error) {
	if d.store == nil {
		return nil, nil
	}

	var adopted *outputs
	for stored, file := range d.store.Files() {
		reason := "it is not the configured line"
		if stored == name {
			o, err := adoptFile(file, info, flags)
			if err == nil {
				adopted = o
				continue
			}
			reason = err.Error()
		}

		d.log.Warn("releasing a stored line", zap.String("line", stored), zap.String("reason", reason))
		if err := d.store.Remove(stored); err != nil {
			return nil, fmt.Errorf("release the stored line %s: %w", stored, err)
		}
	}
	return adopted, nil
}

// adoptFile returns the line of a stored file. It fails if the file cannot be read,
// or if the kernel reports another user or other flags for the line.
func adoptFile(file *os.File, info uapi.LineInfoV2, flags uapi.LineFlagV2) (*outputs, error) {
	if user := uapi.BytesToString(info.Consumer[:]); user != consumer {
		return nil, fmt.Errorf("the kernel reports that %q uses it", user)
	}
	if got := info.Flags &^ uapi.LineFlagV2Used; got != flags {
		return nil, fmt.Errorf("its flags are %#x, want %#x", uint64(got), uint64(flags))
	}

	// The store owns file, so this process needs a duplicate.
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate its file descriptor: %w", err)
	}
	o := &outputs{fd, 1}
	if _, err := o.get(0); err != nil {
		o.close()
		return nil, fmt.Errorf("read its level: %w", err)
	}
	return o, nil
}

// storedName returns the name of a line in the store: role, chip, offset and flags. If
// the configuration of the line changes, its name in the store also changes.
func storedName(c *chip, offset int, flags uapi.LineFlagV2) string {
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
