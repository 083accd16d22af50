package gpio

import (
	"errors"
	"fmt"

	"github.com/warthog618/go-gpiocdev/uapi"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/actuator"
)

// Lock is a lock on GPIO lines.
type Lock struct {
	config Config
	keeper Keeper
	log    *zap.Logger
	out    *outputs // nil while the lines are not taken
	bolt   *sensor[actuator.Reading]
	door   *sensor[actuator.DoorReading]
}

// New makes a lock. It takes no line before Open; its sensors begin to be read at
// once. keeper may be nil: lines then end with the process.
func New(config Config, keeper Keeper, log *zap.Logger) *Lock {
	l := &Lock{config: config, keeper: keeper, log: log}
	if b := config.Bolt; b != nil {
		l.bolt = watch(b.Line, b.Debounce, log, func(e edge) actuator.Reading {
			return actuator.Reading{Position: pick(e, b.Active, opposite(b.Active), actuator.Unknown), At: e.at}
		})
	}
	if d := config.Door; d != nil {
		other := actuator.DoorOpen
		if d.Active == actuator.DoorOpen {
			other = actuator.DoorClosed
		}
		l.door = watch(d.Line, d.Debounce, log, func(e edge) actuator.DoorReading {
			return actuator.DoorReading{Door: pick(e, d.Active, other, actuator.DoorUnknown), At: e.at}
		})
	}
	return l
}

func pick[T any](e edge, active, inactive, failed T) T {
	switch {
	case e.failed:
		return failed
	case e.active:
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
func (l *Lock) Open(level actuator.Position) (found actuator.Position, kept bool, err error) {
	l.close() // what an Open before may have left
	// The request may move the bolt: its sensor has to hear that.
	l.bolt.arm()
	l.door.arm()
	if found, kept, err = l.take(level); err != nil {
		l.close()
		return "", false, err
	}
	// What kept the lines away may have kept the sensors away.
	l.bolt.retry()
	l.door.retry()
	return found, kept, nil
}

func (l *Lock) take(level actuator.Position) (found actuator.Position, kept bool, err error) {
	if l.config.Mode != actuator.Hold {
		if _, err = l.adopt("", uapi.LineInfoV2{}, 0); err == nil { // all that was kept is given back
			l.out, err = request(l.config, 0)
		}
		return "", false, err
	}
	if l.out, kept, err = l.openHold(level); err != nil {
		return "", false, err
	}
	active, err := l.out.get(0)
	if err != nil {
		return "", false, err
	}
	if active {
		return l.config.Active, kept, nil
	}
	return opposite(l.config.Active), kept, nil
}

// Drive implements [actuator.Driver].
func (l *Lock) Drive(target actuator.Position) error {
	l.checkSensors()
	return l.set(func(o *outputs) error {
		switch l.config.Mode {
		case actuator.Hold:
			return o.set(0, target == l.config.Active)
		case actuator.Pulse:
			return o.set(0, target == actuator.Unlocked)
		}
		this, other := 0, 1
		if target == actuator.Unlocked {
			this, other = 1, 0
		}
		if err := o.set(other, false); err != nil {
			return err
		}
		return o.set(this, true)
	})
}

// Idle implements [actuator.Driver].
func (l *Lock) Idle() error {
	return l.set((*outputs).idle)
}

func (l *Lock) set(do func(*outputs) error) error {
	if l.out == nil {
		return fmt.Errorf("%s: %w", l.config.Line, actuator.ErrLinesGone)
	}
	err := do(l.out)
	if errors.Is(err, unix.ENODEV) {
		l.close()
		return fmt.Errorf("%s: the chip is gone: %w (%w)", l.config.Line, actuator.ErrLinesGone, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.config.Line, err)
	}
	return nil
}

// checkSensors opens sensors again whose chip is gone; some kernels do not tell.
func (l *Lock) checkSensors() {
	l.bolt.check()
	l.door.check()
}

// Bolt implements [actuator.Driver].
func (l *Lock) Bolt() <-chan actuator.Reading { return l.bolt.channel() }

// Door implements [actuator.Driver].
func (l *Lock) Door() <-chan actuator.DoorReading { return l.door.channel() }

// Close ends pulses and gives the lines back. One that a Keeper keeps stays as it
// is.
func (l *Lock) Close() error {
	l.bolt.close()
	l.door.close()
	var err error
	if l.out != nil && l.config.Mode != actuator.Hold {
		err = l.Idle()
	}
	l.close()
	return err
}

func (l *Lock) close() {
	if l.out != nil {
		l.out.close()
		l.out = nil
	}
}

// Release drives the lines of Pulse and Dual idle, whatever the process that
// held them has left. For Hold it does nothing: its line is to stay.
func Release(config Config) error {
	if config.Mode == actuator.Hold {
		return nil
	}
	out, err := request(config, 0)
	if err != nil {
		return err
	}
	out.close()
	return nil
}
