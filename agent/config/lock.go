package config

import (
	"cmp"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
)

// Lock is the table [lock]: the lock's driver, mode, timing and door.
type Lock struct {
	// Driver is "gpio" for a real lock or "mock" for a simulated one.
	Driver string `toml:"driver"`
	// Mode is "hold" (the line's level keeps the bolt in place), "pulse" (one line
	// releases a strike) or "dual" (one line locks and another line unlocks).
	Mode string `toml:"mode"`
	// AtPowerOn is the position to which the agent drives a lock in hold mode after a
	// power-on: "locked", "unlocked" or "last".
	AtPowerOn string `toml:"at_power_on"`
	// Pulse is the time for which a line is energised in the modes pulse and dual.
	Pulse Duration `toml:"pulse"`
	// MaxEnergised is the longest time for which an unlock command may energise a line
	// in the modes pulse and dual.
	MaxEnergised Duration `toml:"max_energised"`
	// ConfirmTimeout is the maximum time from the start of a motion to its confirmation
	// by the bolt sensor.
	ConfirmTimeout Duration `toml:"confirm_timeout"`
	// MinInterval is the minimum time between the starts of two motions of the bolt.
	MinInterval Duration `toml:"min_interval"`
	// AutoRelock is the time from an unlock to the automatic relock; 0 disables
	// relocking. The desired property autoRelockSeconds overrides it.
	AutoRelock Duration `toml:"auto_relock"`
	// Relock is "timer" (relock after a time) or "close" (relock as soon as the door
	// has opened and closed).
	Relock string `toml:"relock"`
	// Settle is the time for which the door must stay closed before it is locked
	// automatically.
	Settle Duration `toml:"settle"`
	// ExitTime is the time after an unlock or a use of the exit input during which an
	// opening of the door raises no alarm.
	ExitTime Duration `toml:"exit_time"`
	// HeldOpen is the time for which the door may stay open without an alarm; 0
	// disables the alarm. The desired property heldOpenSeconds overrides it.
	HeldOpen Duration `toml:"held_open"`
	// Manual reports whether a handle, a thumb-turn or a key can open the locked door.
	Manual bool `toml:"manual"`
	// Egress is "mechanical" if people can always leave without the help of latchd.
	// Otherwise it is empty.
	Egress string `toml:"egress"`

	GPIO GPIO       `toml:"gpio"`
	Bolt *Sensor    `toml:"bolt_sensor"`
	Door *Sensor    `toml:"door_sensor"`
	Exit *ExitInput `toml:"exit"`
	Mock Mock       `toml:"mock"`
}

// GPIO is the table [lock.gpio]: the GPIO lines that move the bolt.
type GPIO struct {
	Chip string `toml:"chip"`
	// Line is the only GPIO line in the modes hold and pulse. In dual mode, it is the
	// line that locks.
	Line *LineRef `toml:"line"`
	// UnlockLine is the GPIO line that unlocks, in dual mode.
	UnlockLine *LineRef `toml:"unlock_line"`
	// Active is the bolt's position while the line is active, in hold mode: "locked" or
	// "unlocked".
	Active    string `toml:"active"`
	ActiveLow bool   `toml:"active_low"`
	Bias      string `toml:"bias"`
	Drive     string `toml:"drive"`
}

// Sensor is the table of a sensor: [lock.bolt_sensor] or [lock.door_sensor].
type Sensor struct {
	// Chip is the GPIO chip of the sensor's line. The default is the chip of
	// [lock.gpio].
	Chip      string   `toml:"chip"`
	Line      *LineRef `toml:"line"`
	Active    string   `toml:"active"`
	ActiveLow bool     `toml:"active_low"`
	Bias      string   `toml:"bias"`
	// Debounce is the time for which a level must be stable before it counts as a
	// change.
	Debounce *Duration `toml:"debounce"`
}

// ExitInput is the table [lock.exit]: a button, a bar or a motion sensor on the inside
// of the door. The input is active while somebody asks to leave.
type ExitInput struct {
	// Action is "unlock" (the input unlocks the door) or "shunt" (the input only
	// announces that the door opens, so that the opening raises no alarm).
	Action string `toml:"action"`
	// Chip is the GPIO chip of the input's line. The default is the chip of
	// [lock.gpio].
	Chip      string   `toml:"chip"`
	Line      *LineRef `toml:"line"`
	ActiveLow bool     `toml:"active_low"`
	Bias      string   `toml:"bias"`
	// Debounce is the time for which a level must be stable before it counts as a
	// change.
	Debounce *Duration `toml:"debounce"`
}

// sensor returns the keys of the exit input in the form of a sensor.
func (e ExitInput) sensor() Sensor {
	return Sensor{Chip: e.Chip, Line: e.Line, ActiveLow: e.ActiveLow, Bias: e.Bias, Debounce: e.Debounce}
}

// Mock is the table [lock.mock]: the behaviour of a simulated lock.
type Mock struct {
	Travel Duration `toml:"travel"`
	Fault  string   `toml:"fault"`
}

// EnergisedBound is the longest time for which a line can stay energised beyond its
// pulse if the agent hangs. The watchdog kills the agent within 2 s. Then 'latchd
// release' needs up to 1 s to switch the line off.
const EnergisedBound = 3 * time.Second

const (
	defaultDebounce = 10 * time.Millisecond
	// maxHeldOpen is the maximum of the key held_open.
	maxHeldOpen = 24 * time.Hour
	// maxExitInterval is the maximum of the key min_interval if an exit input unlocks
	// the door. It limits the time for which a person who leaves may have to wait.
	maxExitInterval = time.Second
)

// setDefaults sets the defaults that depend on the driver and the mode.
func (l *Lock) setDefaults() {
	if l.Driver == "mock" {
		l.Mode = cmp.Or(l.Mode, "hold")
	}
	if l.Mode == "pulse" || l.Mode == "dual" {
		l.Pulse = cmp.Or(l.Pulse, Duration(500*time.Millisecond))
		l.MaxEnergised = cmp.Or(l.MaxEnergised, Duration(10*time.Second))
	}

	debounce := Duration(defaultDebounce)
	for _, s := range []*Sensor{l.Bolt, l.Door} {
		if s != nil {
			s.Debounce = cmp.Or(s.Debounce, &debounce)
		}
	}
	if l.Exit != nil {
		l.Exit.Debounce = cmp.Or(l.Exit.Debounce, &debounce)
	}
}

func (l Lock) check(k *checker) {
	k.oneOf("lock.driver", l.Driver, "gpio", "mock")
	if k.failed("lock.driver") {
		return // the other checks need a valid driver
	}

	if l.Mode == "toggle" {
		k.fail("lock.mode", "a line that toggles the bolt on each pulse is unsafe, because the bolt's direction cannot be known; want \"hold\" or \"pulse\" or \"dual\"")
	}
	k.oneOf("lock.mode", l.Mode, "hold", "pulse", "dual")
	if k.failed("lock.mode") {
		return // the other checks need a valid mode
	}

	l.checkModeKeys(k)
	k.within("lock.confirm_timeout", l.ConfirmTimeout, 100*time.Millisecond, 4*time.Second,
		" (a hub may wait only 5 s for an answer)")
	k.within("lock.min_interval", l.MinInterval, 0, time.Minute, "")
	k.within("lock.auto_relock", l.AutoRelock, 0, agent.MaxUnlock, " (0s disables relocking)")
	k.wholeSeconds("lock.auto_relock", l.AutoRelock)
	l.checkDoorKeys(k)

	if l.Driver == "gpio" {
		l.checkGPIO(k)
	}
	k.within("lock.mock.travel", l.Mock.Travel, 0, 10*time.Second, "")
	k.oneOf("lock.mock.fault", l.Mock.Fault, faultNames()...)
}

// checkModeKeys checks the keys that are allowed in some modes only.
func (l Lock) checkModeKeys(k *checker) {
	hold := l.Mode == "hold"
	if hold {
		k.oneOf("lock.at_power_on", l.AtPowerOn, "locked", "unlocked", "last")
	}
	k.onlyIf("lock.at_power_on", l.AtPowerOn != "", hold, "with mode = \"hold\"")
	k.onlyIf("lock.pulse", l.Pulse != 0, !hold, "in the modes pulse and dual")
	k.onlyIf("lock.max_energised", l.MaxEnergised != 0, !hold, "in the modes pulse and dual")
	if hold {
		return
	}

	k.within("lock.max_energised", l.MaxEnergised, EnergisedBound, 10*time.Minute,
		" (after a crash a line may stay energised for "+EnergisedBound.String()+")")
	if !k.failed("lock.max_energised") {
		k.within("lock.pulse", l.Pulse, 10*time.Millisecond, time.Duration(l.MaxEnergised), " (max_energised)")
	}
}

// checkDoorKeys checks the keys about the door: its sensors, timing and exits.
func (l Lock) checkDoorKeys(k *checker) {
	k.oneOf("lock.relock", l.Relock, "timer", "close")
	if l.Relock == "close" && l.Door == nil {
		k.fail("lock.relock", "\"close\" needs a door sensor; add the table [lock.door_sensor], or want \"timer\"")
	}
	k.within("lock.settle", l.Settle, 0, 10*time.Second, "")
	k.within("lock.exit_time", l.ExitTime, time.Second, time.Minute, "")
	k.within("lock.held_open", l.HeldOpen, 0, maxHeldOpen, " (0s disables the alarm)")
	k.wholeSeconds("lock.held_open", l.HeldOpen)
	if l.Egress != "" && l.Egress != "mechanical" {
		k.fail("lock.egress", "%q is not allowed; want \"mechanical\", or remove the key if nobody can leave without latchd", l.Egress)
	}

	if l.Exit == nil {
		return
	}
	k.oneOf("lock.exit.action", cmp.Or(l.Exit.Action, "unlock"), "unlock", "shunt")
	if l.ExitUnlocks() && time.Duration(l.MinInterval) > maxExitInterval {
		k.fail("lock.min_interval", "%s is too long for [lock.exit], which waits for it before it unlocks; want at most %s", l.MinInterval, Duration(maxExitInterval))
	}
}

// ExitUnlocks reports whether an exit input unlocks the door.
func (l Lock) ExitUnlocks() bool { return l.Exit != nil && l.Exit.Action != "shunt" }

func (l Lock) checkGPIO(k *checker) {
	g := l.GPIO
	k.required("lock.gpio.chip", g.Chip, "a chip's name, path or label, such as gpiochip0 (see 'gpiodetect')")
	k.line("lock.gpio.line", g.Line)
	if l.Mode == "dual" {
		k.line("lock.gpio.unlock_line", g.UnlockLine)
		if g.Line != nil && g.UnlockLine != nil && *g.Line == *g.UnlockLine {
			k.fail("lock.gpio.unlock_line", "this is the same line as lock.gpio.line; want a separate line for each direction")
		}
	}
	k.onlyIf("lock.gpio.unlock_line", g.UnlockLine != nil, l.Mode == "dual", "with mode = \"dual\"")

	if l.Mode == "hold" {
		k.oneOf("lock.gpio.active", g.Active, "locked", "unlocked")
	}
	k.onlyIf("lock.gpio.active", g.Active != "", l.Mode == "hold", "with mode = \"hold\" (in other modes, active means energised)")
	k.bias("lock.gpio.bias", g.Bias)
	if g.Drive != "" {
		k.oneOf("lock.gpio.drive", g.Drive, "push-pull", "open-drain", "open-source")
	}

	l.Bolt.check(k, "lock.bolt_sensor", "locked", "unlocked")
	l.Door.check(k, "lock.door_sensor", "open", "closed")
	if l.Exit != nil {
		l.Exit.sensor().checkInput(k, "lock.exit")
	}
}

// check checks the table of a sensor, unless the table is missing. meanings lists the
// allowed values of the key active.
func (s *Sensor) check(k *checker, key string, meanings ...string) {
	if s == nil {
		return
	}
	k.oneOf(key+".active", s.Active, meanings...)
	s.checkInput(k, key)
}

// checkInput checks the keys of a sensor's GPIO line.
func (s Sensor) checkInput(k *checker, key string) {
	k.line(key+".line", s.Line)
	k.bias(key+".bias", s.Bias)
	k.within(key+".debounce", *s.Debounce, 0, time.Second, "")
}

func (k *checker) line(key string, l *LineRef) {
	if l == nil {
		k.fail(key, "missing; want a line's name, such as \"LOCK\", or its offset, such as 17 (see 'gpioinfo')")
	}
}

func (k *checker) bias(key, bias string) {
	if bias != "" {
		k.oneOf(key, bias, "as-is", "disabled", "pull-up", "pull-down")
	}
}

// ActuatorConfig returns the settings of the lock that apply to every driver.
func (l Lock) ActuatorConfig() actuator.Config {
	atPowerOn := actuator.Position(l.AtPowerOn)
	if l.AtPowerOn == "last" {
		atPowerOn = ""
	}

	return actuator.Config{
		Mode:           actuator.Mode(l.Mode),
		AtPowerOn:      atPowerOn,
		ConfirmTimeout: time.Duration(l.ConfirmTimeout),
		MinInterval:    time.Duration(l.MinInterval),
		Pulse:          time.Duration(l.Pulse),
		MaxEnergised:   time.Duration(l.MaxEnergised),
		RelockOnClose:  l.Relock == "close",
		Settle:         time.Duration(l.Settle),
		ExitTime:       time.Duration(l.ExitTime),
		Manual:         l.Manual,
		ExitShunts:     l.Exit != nil && !l.ExitUnlocks(),
	}
}

// GPIOConfig returns the GPIO lines of the lock and its sensors, for a lock with the
// driver gpio.
func (l Lock) GPIOConfig() gpio.Config {
	g := l.GPIO
	output := func(ref LineRef) gpio.Line {
		return gpio.Line{Chip: g.Chip, Name: ref.Name, Offset: ref.Offset, ActiveLow: g.ActiveLow, Bias: biasOf(g.Bias)}
	}

	c := gpio.Config{Mode: actuator.Mode(l.Mode), Line: output(*g.Line), Active: actuator.Position(g.Active)}
	if g.UnlockLine != nil {
		c.Unlock = output(*g.UnlockLine)
	}
	if g.Drive != "push-pull" {
		c.Drive = gpio.Drive(g.Drive)
	}

	if s := l.Bolt; s != nil {
		c.Bolt = &gpio.BoltSensor{Line: s.input(g.Chip), Debounce: time.Duration(*s.Debounce), Active: actuator.Position(s.Active)}
	}
	if s := l.Door; s != nil {
		c.Door = &gpio.DoorSensor{Line: s.input(g.Chip), Debounce: time.Duration(*s.Debounce), Active: actuator.DoorState(s.Active)}
	}
	if e := l.Exit; e != nil {
		c.Exit = &gpio.ExitInput{Line: e.sensor().input(g.Chip), Debounce: time.Duration(*e.Debounce)}
	}
	return c
}

// input returns the GPIO line of a sensor. lockChip is used if the sensor's table does
// not set the key chip.
func (s Sensor) input(lockChip string) gpio.Line {
	return gpio.Line{
		Chip: cmp.Or(s.Chip, lockChip), Name: s.Line.Name, Offset: s.Line.Offset,
		ActiveLow: s.ActiveLow, Bias: biasOf(s.Bias),
	}
}

func biasOf(bias string) gpio.Bias {
	if bias == "as-is" {
		return gpio.BiasAsIs
	}
	return gpio.Bias(bias)
}

// MockConfig returns the configuration of a simulated lock. The lock has a door sensor
// or an exit input if the table [lock.door_sensor] or [lock.exit] exists; the tables'
// keys are ignored.
func (l Lock) MockConfig() mock.Config {
	fault := mock.Fault(l.Mock.Fault)
	if l.Mock.Fault == "none" {
		fault = mock.None
	}
	return mock.Config{Travel: time.Duration(l.Mock.Travel), Fault: fault, Door: l.Door != nil, Exit: l.Exit != nil}
}

func faultNames() []string {
	names := []string{"none"}
	for _, fault := range mock.Faults {
		names = append(names, string(fault))
	}
	return names
}
