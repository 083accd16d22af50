package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
)

const goodGPIO = `
[hub]
connection_string_file = "secret"
[lock]
driver = "gpio"
mode = "hold"
at_power_on = "last"
[lock.gpio]
chip = "gpiochip0"
line = 17
active = "unlocked"
[lock.bolt_sensor]
line = "BOLT"
active = "locked"
active_low = true
bias = "pull-up"
[lock.door_sensor]
chip = "pinctrl-rp1"
line = 27
active = "open"
debounce = "50ms"
`

// dual turns goodGPIO into a lock in dual mode, with a line for each direction.
var dual = strings.NewReplacer(`"hold"`, `"dual"`, "at_power_on = \"last\"\n", "", "active = \"unlocked\"\n", "unlock_line = 18\n")

func TestGPIOConfig(t *testing.T) {
	c, err := Load(write(t, goodGPIO))
	if err != nil {
		t.Fatal(err)
	}

	want := gpio.Config{
		Mode: actuator.Hold, Line: gpio.Line{Chip: "gpiochip0", Offset: 17}, Active: actuator.Unlocked,
		Bolt: &gpio.BoltSensor{
			Line:     gpio.Line{Chip: "gpiochip0", Name: "BOLT", ActiveLow: true, Bias: gpio.BiasPullUp},
			Debounce: 10 * time.Millisecond, Active: actuator.Locked,
		},
		Door: &gpio.DoorSensor{
			Line:     gpio.Line{Chip: "pinctrl-rp1", Offset: 27},
			Debounce: 50 * time.Millisecond, Active: actuator.DoorOpen,
		},
	}

	if got := c.Lock.GPIOConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if a := c.Lock.ActuatorConfig(); a.Mode != actuator.Hold || a.AtPowerOn != "" || a.Pulse != 0 {
		t.Errorf("actuator %+v", a)
	}

	if c, err = Load(write(t, dual.Replace(goodGPIO))); err != nil {
		t.Fatal(err)
	}

	if l := c.Lock.GPIOConfig(); l.Unlock != (gpio.Line{Chip: "gpiochip0", Offset: 18}) {
		t.Errorf("dual: %+v", l)
	}
	if a := c.Lock.ActuatorConfig(); a.Pulse != 500*time.Millisecond || a.MaxEnergised != 10*time.Second {
		t.Errorf("dual: %+v", a)
	}
}

func TestLoadErrorsInLock(t *testing.T) {
	replaced := func(old, new string) string { return strings.Replace(goodGPIO, old, new, 1) }
	inDual := func(old, new string) string { return strings.Replace(dual.Replace(goodGPIO), old, new, 1) }
	for name, tc := range map[string]struct{ text, want string }{
		"no mode":                       {replaced(`mode = "hold"`, ``), `lock.mode: missing; want "hold" or "pulse" or "dual"`},
		"toggle":                        {replaced(`"hold"`, `"toggle"`), `:6: lock.mode: a line that toggles the bolt on each pulse is unsafe`},
		"power-on in pulse mode":        {strings.Replace(replaced(`"hold"`, `"pulse"`), "active = \"unlocked\"\n", "", 1), `:7: lock.at_power_on: allowed only with mode = "hold"; remove it`},
		"pulse in hold mode":            {replaced("[lock.gpio]", "pulse = \"1s\"\n[lock.gpio]"), `:8: lock.pulse: allowed only in the modes pulse and dual`},
		"no chip":                       {replaced(`chip = "gpiochip0"`, ``), `lock.gpio.chip: missing; want a chip's name, path or label`},
		"no line":                       {replaced(`line = 17`, ``), `lock.gpio.line: missing; want a line's name`},
		"negative line":                 {replaced(`line = 17`, `line = -1`), `:10: lock.gpio.line: -1 is not a line`},
		"empty line name":               {replaced(`line = 17`, `line = ""`), `:10: lock.gpio.line: "" is not a line`},
		"no active":                     {replaced(`active = "unlocked"`, ``), `lock.gpio.active: missing; want "locked" or "unlocked"`},
		"unknown active":                {replaced(`active = "unlocked"`, `active = "open"`), `:11: lock.gpio.active: "open" is not allowed`},
		"unknown bias":                  {replaced(`"pull-up"`, `"up"`), `:16: lock.bolt_sensor.bias: "up" is not allowed; want "as-is"`},
		"sensor without active":         {replaced(`active = "locked"`, ``), `lock.bolt_sensor.active: missing`},
		"door sensor, active of a bolt": {replaced(`active = "open"`, `active = "locked"`), `lock.door_sensor.active: "locked" is not allowed; want "open" or "closed"`},
		"debounce too long":             {replaced(`"50ms"`, `"2s"`), `lock.door_sensor.debounce: 2s is out of range`},
		"dual with one line":            {inDual(`unlock_line = 18`, ``), `lock.gpio.unlock_line: missing`},
		"dual with the same line twice": {inDual(`unlock_line = 18`, `unlock_line = 17`), `lock.gpio.unlock_line: this is the same line as lock.gpio.line`},
		"max_energised below the bound": {inDual("[lock.gpio]", "max_energised = \"2s\"\n[lock.gpio]"), `lock.max_energised: 2s is out of range; want 3s to 10m (after a crash a line may stay energised for 3s)`},
		"pulse above max_energised":     {inDual("[lock.gpio]", "pulse = \"11s\"\n[lock.gpio]"), `lock.pulse: 11s is out of range; want 10ms to 10s (max_energised)`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant one line with %s", err, tc.want)
			}
		})
	}
}

// exitInput adds an exit input and relocking on close to goodGPIO.
var exitInput = strings.NewReplacer("[lock.gpio]\n", `relock = "close"
settle = "2s"
exit_time = "10s"
manual = true
held_open = "30s"
egress = "mechanical"
[lock.exit]
line = "a\"b"
action = "shunt"
[lock.gpio]
`)

func TestActuatorConfigOfTheDoor(t *testing.T) {
	t.Parallel()
	c, err := parse("/f.toml", []byte(exitInput.Replace(goodGPIO)))
	if err != nil {
		t.Fatal(err)
	}

	want := actuator.Config{
		Mode: actuator.Hold, ConfirmTimeout: 4 * time.Second, MinInterval: time.Second,
		RelockOnClose: true, Settle: 2 * time.Second, ExitTime: 10 * time.Second, Manual: true, ExitShunts: true,
	}
	if got := c.Lock.ActuatorConfig(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if c.Lock.HeldOpen != Duration(30*time.Second) || c.Lock.Egress != "mechanical" {
		t.Errorf("held_open and egress: %+v", c.Lock)
	}
	exit := gpio.ExitInput{Line: gpio.Line{Chip: "gpiochip0", Name: `a"b`}, Debounce: 10 * time.Millisecond}
	if got := c.Lock.GPIOConfig().Exit; got == nil || *got != exit {
		t.Errorf("the exit input is %+v, want %+v", got, exit)
	}

	if c, err = parse("/f.toml", []byte(goodGPIO)); err != nil {
		t.Fatal(err)
	}
	want = actuator.Config{
		Mode: actuator.Hold, ConfirmTimeout: 4 * time.Second, MinInterval: time.Second,
		Settle: time.Second, ExitTime: 5 * time.Second,
	}
	if got := c.Lock.ActuatorConfig(); got != want {
		t.Errorf("the defaults are %+v\nwant %+v", got, want)
	}
}

// Line names are TOML strings, with escapes and both kinds of quotes.
func TestLineNamesAreDecoded(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]LineRef{
		`"a\"b"`:     {Name: `a"b`},
		`'a"b'`:      {Name: `a"b`},
		`"a\u0042"`:  {Name: "aB"},
		`"'LOCK'"`:   {Name: "'LOCK'"},
		`'a\b'`:      {Name: `a\b`},
		`"""LOCK"""`: {Name: "LOCK"},
		`17`:         {Offset: 17},
	} {
		c, err := parse("/f.toml", []byte(strings.Replace(goodGPIO, "line = 17", "line = "+value, 1)))
		if err != nil {
			t.Errorf("line = %s: %v", value, err)
			continue
		}
		if got := *c.Lock.GPIO.Line; got != want {
			t.Errorf("line = %s is read as %+v, want %+v", value, got, want)
		}
	}
}

// The minimum interval is bounded only where an exit input unlocks.
func TestMinIntervalWithAnExitInput(t *testing.T) {
	t.Parallel()
	for action, allowed := range map[string]bool{"unlock": false, "shunt": true} {
		text := strings.NewReplacer("[lock.gpio]\n", "min_interval = \"2s\"\n[lock.exit]\nline = 3\naction = \""+action+"\"\n[lock.gpio]\n")
		_, err := parse("/f.toml", []byte(text.Replace(goodGPIO)))
		if (err == nil) != allowed {
			t.Errorf("action = %q with a minimum interval of 2 s: %v", action, err)
		}
	}
}

// A mock lock has the sensors whose tables exist, even empty ones.
func TestMockConfigWithSensors(t *testing.T) {
	t.Parallel()
	c, err := parse("/f.toml", []byte(good+"[lock.door_sensor]\n[lock.exit]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Lock.MockConfig(); !got.Door || !got.Exit {
		t.Errorf("the mock is configured as %+v", got)
	}
}
