package config

import (
	"cmp"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
)

// Lock says how the lock is driven.
type Lock struct {
	// Driver is gpio or mock.
	Driver string `toml:"driver"`
	// Mode is hold, pulse or dual.
	Mode string `toml:"mode"`
	// AtPowerOn is what a lock in hold mode is driven to when the agent begins to
	// hold its line.
	AtPowerOn string `toml:"at_power_on"`
	// Pulse is how long a line of the modes pulse and dual is energised.
	Pulse Duration `toml:"pulse"`
	// MaxEnergised is the longest that a line may be energised, whatever is asked.
	MaxEnergised Duration `toml:"max_energised"`
	// ConfirmTimeout is how long the bolt sensor may take.
	ConfirmTimeout Duration `toml:"confirm_timeout"`
	// MinInterval is the least time between two motions.
	MinInterval Duration `toml:"min_interval"`
	// AutoRelock locks again after an unlock; 0 is never. The desired property
	// autoRelockSeconds goes before it.
	AutoRelock Duration `toml:"auto_relock"`

	GPIO GPIO    `toml:"gpio"`
	Bolt *Sensor `toml:"bolt_sensor"`
	Door *Sensor `toml:"door_sensor"`
	Mock Mock    `toml:"mock"`
}

// GPIO says which lines drive the lock.
type GPIO struct {
	Chip string `toml:"chip"`
	// Line is the line of the modes hold and pulse, and the one of dual that locks.
	Line *LineRef `toml:"line"`
	// UnlockLine is the line of dual that unlocks.
	UnlockLine *LineRef `toml:"unlock_line"`
	// Active is what the active level means in hold mode.
	Active    string `toml:"active"`
	ActiveLow bool   `toml:"active_low"`
	Bias      string `toml:"bias"`
	Drive     string `toml:"drive"`
}

// Sensor is an input line.
type Sensor struct {
	// Chip is the lock's own if it is empty.
	Chip      string   `toml:"chip"`
	Line      *LineRef `toml:"line"`
	Active    string   `toml:"active"`
	ActiveLow bool     `toml:"active_low"`
	Bias      string   `toml:"bias"`
	// Debounce is for how long a level must be stable to count.
	Debounce *Duration `toml:"debounce"`
}

// Mock says how a mock lock behaves.
type Mock struct {
	Travel Duration `toml:"travel"`
	Fault  string   `toml:"fault"`
}

// EnergisedBound is how long a line of the modes pulse and dual may stay
// energised after a process that hangs should have let it go: 2 s for the
// watchdog to see it, and 1 s for 'latchd release' to run after it was killed.
const EnergisedBound = 3 * time.Second

const defaultDebounce = 10 * time.Millisecond

// fill puts the defaults of the chosen driver and mode where nothing is given.
func (l *Lock) fill() {
	if l.Driver == "mock" {
		l.Mode = cmp.Or(l.Mode, "hold")
	}
	if l.Mode == "pulse" || l.Mode == "dual" {
		l.Pulse = cmp.Or(l.Pulse, Duration(500*time.Millisecond))
		l.MaxEnergised = cmp.Or(l.MaxEnergised, Duration(10*time.Second))
	}
	for _, s := range []*Sensor{l.Bolt, l.Door} {
		if s != nil && s.Debounce == nil {
			debounce := Duration(defaultDebounce)
			s.Debounce = &debounce
		}
	}
}

func (l Lock) check(k *checker) {
	k.oneOf("lock.driver", l.Driver, "gpio", "mock")
	if k.failed("lock.driver") {
		return // what else is wrong depends on it
	}
	if l.Mode == "toggle" {
		k.fail("lock.mode", "a line that toggles the bolt on each pulse cannot be driven safely, as nobody can tell where it goes; want \"hold\" or \"pulse\" or \"dual\"")
	}
	k.oneOf("lock.mode", l.Mode, "hold", "pulse", "dual")
	if k.failed("lock.mode") {
		return
	}
	hold := l.Mode == "hold"
	if hold {
		k.oneOf("lock.at_power_on", l.AtPowerOn, "locked", "unlocked", "last")
	}
	k.onlyFor("lock.at_power_on", l.AtPowerOn != "", hold, "mode = \"hold\"")
	k.onlyFor("lock.pulse", l.Pulse != 0, !hold, "the modes pulse and dual")
	k.onlyFor("lock.max_energised", l.MaxEnergised != 0, !hold, "the modes pulse and dual")
	if !hold {
		k.within("lock.max_energised", l.MaxEnergised, EnergisedBound, 10*time.Minute,
			"; a line may stay energised for "+EnergisedBound.String()+" after a crash, so the coil must bear that")
		if !k.failed("lock.max_energised") {
			k.within("lock.pulse", l.Pulse, 10*time.Millisecond, time.Duration(l.MaxEnergised), " (max_energised)")
		}
	}
	k.within("lock.confirm_timeout", l.ConfirmTimeout, 100*time.Millisecond, 4*time.Second,
		", as a hub may wait only 5 s for an answer")
	k.within("lock.min_interval", l.MinInterval, 0, time.Minute, "")
	k.within("lock.auto_relock", l.AutoRelock, 0, agent.MaxUnlock, " (0s is never)")
	if time.Duration(l.AutoRelock)%time.Second != 0 {
		k.fail("lock.auto_relock", "%s is not possible; want whole seconds", l.AutoRelock)
	}
	if l.Driver == "gpio" {
		l.checkGPIO(k)
	}
	k.within("lock.mock.travel", l.Mock.Travel, 0, 10*time.Second, "")
	k.oneOf("lock.mock.fault", l.Mock.Fault, faultNames()...)
}

func (l Lock) checkGPIO(k *checker) {
	g := l.GPIO
	k.required("lock.gpio.chip", g.Chip, "a chip's name, path or label, such as gpiochip0 (see 'gpiodetect')")
	k.line("lock.gpio.line", g.Line)
	if l.Mode == "dual" {
		k.line("lock.gpio.unlock_line", g.UnlockLine)
		if g.Line != nil && g.UnlockLine != nil && *g.Line == *g.UnlockLine {
			k.fail("lock.gpio.unlock_line", "it is the same line as lock.gpio.line; each direction needs its own")
		}
	}
	k.onlyFor("lock.gpio.unlock_line", g.UnlockLine != nil, l.Mode == "dual", "mode = \"dual\"")
	if l.Mode == "hold" {
		k.oneOf("lock.gpio.active", g.Active, "locked", "unlocked")
	}
	k.onlyFor("lock.gpio.active", g.Active != "", l.Mode == "hold", "mode = \"hold\"; in the others active is energised")
	k.bias("lock.gpio.bias", g.Bias)
	if g.Drive != "" {
		k.oneOf("lock.gpio.drive", g.Drive, "push-pull", "open-drain", "open-source")
	}
	l.Bolt.check(k, "lock.bolt_sensor", "locked", "unlocked")
	l.Door.check(k, "lock.door_sensor", "open", "closed")
}

func (s *Sensor) check(k *checker, key string, means ...string) {
	if s == nil {
		return
	}
	k.line(key+".line", s.Line)
	k.oneOf(key+".active", s.Active, means...)
	k.bias(key+".bias", s.Bias)
	k.within(key+".debounce", *s.Debounce, 0, time.Second, "")
}

func (c *checker) line(key string, l *LineRef) {
	if l == nil {
		c.fail(key, "it is missing; want a line's name, such as \"LOCK\", or its offset, such as 17 (see 'gpioinfo')")
	}
}

func (c *checker) bias(key, bias string) {
	if bias != "" {
		c.oneOf(key, bias, "as-is", "disabled", "pull-up", "pull-down")
	}
}

// Actuator returns what a lock has whatever drives it.
func (l Lock) Actuator() actuator.Config {
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
	}
}

// Lines returns the lines and sensors of a lock whose driver is gpio.
func (l Lock) Lines() gpio.Config {
	g := l.GPIO
	line := func(ref LineRef) gpio.Line {
		return gpio.Line{Chip: g.Chip, Name: ref.Name, Offset: ref.Offset, ActiveLow: g.ActiveLow, Bias: biasOf(g.Bias)}
	}
	c := gpio.Config{Mode: actuator.Mode(l.Mode), Line: line(*g.Line), Active: actuator.Position(g.Active)}
	if g.UnlockLine != nil {
		c.Unlock = line(*g.UnlockLine)
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
	return c
}

func (s Sensor) input(chip string) gpio.Line {
	return gpio.Line{
		Chip: cmp.Or(s.Chip, chip), Name: s.Line.Name, Offset: s.Line.Offset,
		ActiveLow: s.ActiveLow, Bias: biasOf(s.Bias),
	}
}

func biasOf(bias string) gpio.Bias {
	if bias == "as-is" {
		return gpio.BiasAsIs
	}
	return gpio.Bias(bias)
}

// MockConfig returns the mock lock's own part.
func (l Lock) MockConfig() mock.Config {
	fault := mock.Fault(l.Mock.Fault)
	if l.Mock.Fault == "none" {
		fault = mock.None
	}
	return mock.Config{Travel: time.Duration(l.Mock.Travel), Fault: fault}
}

func faultNames() []string {
	names := []string{"none"}
	for _, fault := range mock.Faults {
		names = append(names, string(fault))
	}
	return names
}
