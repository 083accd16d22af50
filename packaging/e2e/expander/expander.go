// Package expander simulates a GPIO expander (PCA9538) on an I2C bus. The expander's
// interrupt line is not connected, so the kernel cannot report edges on its lines. Use
// [New], and then set the levels of the inputs with [Expander.Set].
//
// The package needs root and the kernel modules i2c-stub, i2c-dev and gpio-pca953x. Use
// it only in a virtual machine.
package expander

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Expander is a simulated GPIO expander with 8 lines. All lines are inputs at first.
type Expander struct {
	Name  string // the kernel's name of the expander's chip, such as gpiochip1
	Label string // label of the chip, such as 0-0020

	bus    string // directory of the I2C bus in sysfs
	i2c    *os.File
	levels byte // levels of the inputs, one bit for each line
}

// address is the expander's address on the I2C bus.
const address = 0x20

// New makes a simulated expander. Only one can exist at a time.
func New() (*Expander, error) {
	for _, module := range [][]string{{"i2c-stub", fmt.Sprintf("chip_addr=%#x", address)}, {"i2c-dev"}, {"gpio-pca953x"}} {
		if out, err := exec.Command("modprobe", module...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("modprobe %s: %w: %s", module[0], err, out)
		}
	}

	bus, err := findBus()
	if err != nil {
		return nil, err
	}
	number := strings.TrimPrefix(filepath.Base(bus), "i2c-")
	e := &Expander{Label: fmt.Sprintf("%s-%04x", number, address), bus: bus}
	if e.i2c, err = openDevice("/dev/i2c-" + number); err != nil {
		return nil, err
	}

	// Make all lines inputs. Register 3 of the expander selects the directions.
	if err := errors.Join(e.writeRegister(3, 0xff), e.writeRegister(0, 0)); err != nil {
		e.i2c.Close()
		return nil, err
	}
	if err := e.attach(); err != nil {
		e.i2c.Close()
		return nil, err
	}
	return e, nil
}

// findBus returns the directory of the simulated I2C bus in sysfs.
func findBus() (string, error) {
	names, err := filepath.Glob("/sys/bus/i2c/devices/i2c-*/name")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(text), "SMBus stub driver") {
			return filepath.Dir(name), nil
		}
	}
	return "", errors.New("the simulated I2C bus is missing; load the kernel module i2c-stub")
}

// openDevice opens a device node. It waits up to 10 s until udev has created the node.
func openDevice(path string) (*os.File, error) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil || time.Now().After(deadline) {
			return file, err
		}
	}
}

// attach makes the kernel's driver use the expander. Then it finds the name of the
// expander's GPIO chip.
func (e *Expander) attach() error {
	if err := os.WriteFile(filepath.Join(e.bus, "new_device"), fmt.Appendf(nil, "pca9538 %#x", address), 0); err != nil {
		return err
	}

	chips, err := filepath.Glob(filepath.Join(e.bus, e.Label, "gpiochip*"))
	if err == nil && len(chips) != 1 {
		err = fmt.Errorf("the expander %s has the chips %q, want one", e.Label, chips)
	}
	if err != nil {
		e.detach()
		return err
	}

	e.Name = filepath.Base(chips[0])
	node, err := openDevice("/dev/" + e.Name)
	if err != nil {
		e.detach()
		return err
	}
	return node.Close()
}

func (e *Expander) detach() error {
	return os.WriteFile(filepath.Join(e.bus, "delete_device"), fmt.Appendf(nil, "%#x", address), 0)
}

// Set sets the level of an input to simulate a contact that opens or closes.
func (e *Expander) Set(line int, high bool) error {
	if high {
		e.levels |= 1 << line
	} else {
		e.levels &^= 1 << line
	}
	return e.writeRegister(0, e.levels)
}

// Close removes the expander.
func (e *Expander) Close() error { return errors.Join(e.detach(), e.i2c.Close()) }

// Requests and argument values of the ioctl interface in the kernel's linux/i2c-dev.h.
const (
	i2cSlaveForce = 0x0706
	i2cSMBus      = 0x0720
	smbusWrite    = 0
	smbusByteData = 2
)

// transfer is the kernel's struct i2c_smbus_ioctl_data.
type transfer struct {
	write   byte
	command byte
	size    uint32
	data    *[34]byte
}

// writeRegister writes a register of the simulated expander.
func (e *Expander) writeRegister(register, value byte) error {
	fd := e.i2c.Fd()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, i2cSlaveForce, address); errno != 0 {
		return fmt.Errorf("select the expander: %w", errno)
	}

	t := transfer{write: smbusWrite, command: register, size: smbusByteData, data: &[34]byte{value}}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, i2cSMBus, uintptr(unsafe.Pointer(&t))); errno != 0 {
		return fmt.Errorf("write register %d of the expander: %w", register, errno)
	}
	return nil
}
