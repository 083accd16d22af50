package gpio

import (
	"errors"
	"fmt"

	"github.com/warthog618/go-gpiocdev/uapi"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

// Driver drives one lock through GPIO lines. It implements [actuator.Driver].
type Driver struct {
	config Config
	store  FDStore // nil means that lines are released when the process ends
	log    *zap.Logger
	out    *outputs // nil while the output lines are not requested
	bolt   *sensor[actuator.Reading]
	door   *sensor[actuator.DoorReading]
	exit   *sensor[actuator.ExitReading]
}

var _ actuator.Driver = (*Driver)(nil)

// New makes a driver and starts to read its sensors. It requests no output line
// before Open. If store is nil, the lines are released when the process ends.
func New(config Config, store FDStore, log *zap.Logger) *Driver {
	d := &Driver{config: config, store: store, log: log}

	if b := config.Bolt; b != nil {
		d.bolt = startSensor(b.Line, b.Debounce, log, func(s sample) actuator.Reading {
			return actuator.Reading{Position: pick(s, b.Active, opposite(b.Active), actuator.Unknown), Time: s.at}
		})
	}

	if door := config.Door; door != nil {
		inactive := actuator.DoorOpen
		if door.Active == actuator.DoorOpen {
			inactive = actuator.DoorClosed
		}
		d.door = startSensor(door.Line, door.Debounce, log, func(s sample) actuator.DoorReading {
			return actuator.DoorReading{Door: pick(s, door.Active, inactive, actuator.DoorUnknown), Time: s.at}
		})
	}

	if exit := config.Exit; exit != nil {
		d.exit = startSensor(exit.Line, exit.Debounce, log, func(s sample) actuator.ExitReading {
			return actuator.ExitReading{Exit: pick(s, actuator.ExitActive, actuator.ExitIdle, actuator.ExitUnknown), Time: s.at}
		})
	}
	return d
}

// input is a sensor with any type of readings.
type input interface {
	waitUntilOpen()
	retry()
	reopenIfGone()
	close()
}

// inputs returns the sensors. A sensor that is not fitted is a nil pointer, and its
// methods do nothing.
func (d *Driver) inputs() []input { return []input{d.bolt, d.door, d.exit} }

// pick returns one of three values: active, inactive or failed, as the sample says.
func pick[T any](s sample, active, inactive, failed T) T {
	switch {
	case s.failed:
		return failed
	case s.active:
		return active
	}
	return inactive
}

func opposite(p actuator.Position) actuator.Position {
	if p == actuator.Locked {
		return actuator.Unlocked
	}
	return actuator.Locked
}

// Open implements [actuator.Driver].
func (d *Driver) Open(level actuator.Position) (found actuator.Position, adopted bool, err error) {
	d.closeOutputs() // an earlier call of Open may have left the output lines open

	// Requesting the output lines may move the bolt. Open the sensors first, so that they
	// do not miss the movement.
	for _, input := range d.inputs() {
		input.waitUntilOpen()
	}

	if found, adopted, err = d.openOutputs(level); err != nil {
		d.closeOutputs()
		return "", false, err
	}

	// The chip may have been missing until now, so try again to open the sensors.
	for _, input := range d.inputs() {
		input.retry()
	}
	return found, adopted, nil
}

func (d *Driver) openOutputs(level actuator.Position) (found actuator.Position, adopted bool, err error) {
	if d.config.Mode != actuator.Hold {
		// No stored line has an empty name, so this call of adopt removes all lines from the
		// store.
		if _, err = d.adopt("", uapi.LineInfoV2{}, 0); err == nil {
			d.out, err = requestOutputs(d.config, 0)
		}
		return "", false, err
	}

	if d.out, adopted, err = d.openHold(level); err != nil {
		return "", false, err
	}

	active, err := d.out.get(0)
	if err != nil {
		return "", false, err
	}
	if active {
		return d.config.Active, adopted, nil
	}
	return opposite(d.config.Active), adopted, nil
}

// Drive implements [actuator.Driver].
func (d *Driver) Drive(target actuator.Position) error {
	for _, input := range d.inputs() {
		input.reopenIfGone()
	}

	return d.withOutputs(func(o *outputs) error {
		switch d.config.Mode {
		case actuator.Hold:
			return o.set(0, target == d.config.Active)
		case actuator.Pulse:
			return o.set(0, target == actuator.Unlocked)
		}

		wanted, other := 0, 1
		if target == actuator.Unlocked {
			wanted, other = 1, 0
		}
		if err := o.set(other, false); err != nil {
			return err
		}
		return o.set(wanted, true)
	})
}

// Idle implements [actuator.Driver].
func (d *Driver) Idle() error {
	return d.withOutputs((*outputs).idle)
}

// withOutputs calls do with the output lines. If their chip has disappeared, it closes
// the lines and returns actuator.ErrLinesGone.
func (d *Driver) withOutputs(do func(*outputs) error) error {
	if d.out == nil {
		return fmt.Errorf("%s: %w", d.config.Line, actuator.ErrLinesGone)
	}

	err := do(d.out)
	if errors.Is(err, unix.ENODEV) {
		d.closeOutputs()
		return fmt.Errorf("%s: the chip is gone: %w (%w)", d.config.Line, actuator.ErrLinesGone, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.config.Line, err)
	}
	return nil
}

// Bolt implements [actuator.Driver].
func (d *Driver) Bolt() <-chan actuator.Reading { return d.bolt.channel() }

// Door implements [actuator.Driver].
func (d *Driver) Door() <-chan actuator.DoorReading { return d.door.channel() }

// Exit implements [actuator.Driver].
func (d *Driver) Exit() <-chan actuator.ExitReading { return d.exit.channel() }

// Close ends a pulse and releases the lines. A line in the [FDStore] keeps its level.
func (d *Driver) Close() error {
	for _, input := range d.inputs() {
		input.close()
	}

	var err error
	if d.out != nil && d.config.Mode != actuator.Hold {
		err = d.Idle()
	}
	d.closeOutputs()
	return err
}

func (d *Driver) closeOutputs() {
	if d.out != nil {
		d.out.close()
		d.out = nil
	}
}

// Release makes the output lines idle after a process has ended, in Pulse and Dual
// modes. In Hold mode it does nothing, so that the line keeps its level.
func Release(config Config) error {
	if config.Mode == actuator.Hold {
		return nil
	}

	out, err := requestOutputs(config, 0)
	if err != nil {
		return err
	}
	out.close()
	return nil
}
