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

// dual makes a lock with a line for each direction of the good one.
var dual = strings.NewReplacer(`"hold"`, `"dual"`, "at_power_on = \"last\"\n", "", "active = \"unlocked\"\n", "unlock_line = 18\n")

func TestLines(t *testing.T) {
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
	if got := c.Lock.Lines(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if a := c.Lock.Actuator(); a.Mode != actuator.Hold || a.AtPowerOn != "" || a.Pulse != 0 {
		t.Errorf("actuator %+v", a)
	}
	if c, err = Load(write(t, dual.Replace(goodGPIO))); err != nil {
		t.Fatal(err)
	}
	if l := c.Lock.Lines(); l.Unlock != (gpio.Line{Chip: "gpiochip0", Offset: 18}) {
		t.Errorf("dual: %+v", l)
	}
	if a := c.Lock.Actuator(); a.Pulse != 500*time.Millisecond || a.MaxEnergised != 10*time.Second {
		t.Errorf("dual: %+v", a)
	}
}

func TestLoadNamesWhatIsWrongWithLines(t *testing.T) {
	replaced := func(old, new string) string { return strings.Replace(goodGPIO, old, new, 1) }
	inDual := func(old, new string) string { return strings.Replace(dual.Replace(goodGPIO), old, new, 1) }
	for name, tc := range map[string]struct{ text, want string }{
		"no mode":                {replaced(`mode = "hold"`, ``), `lock.mode: it is missing; want "hold" or "pulse" or "dual"`},
		"toggle":                 {replaced(`"hold"`, `"toggle"`), `:6: lock.mode: a line that toggles the bolt on each pulse cannot be driven safely`},
		"power-on of a pulse":    {strings.Replace(replaced(`"hold"`, `"pulse"`), "active = \"unlocked\"\n", "", 1), `:7: lock.at_power_on: it is only for mode = "hold"; remove it`},
		"pulse of hold":          {replaced("[lock.gpio]", "pulse = \"1s\"\n[lock.gpio]"), `:8: lock.pulse: it is only for the modes pulse and dual`},
		"no chip":                {replaced(`chip = "gpiochip0"`, ``), `lock.gpio.chip: it is missing; want a chip's name, path or label`},
		"no line":                {replaced(`line = 17`, ``), `lock.gpio.line: it is missing; want a line's name`},
		"line of no kind":        {replaced(`line = 17`, `line = -1`), `:10: lock.gpio.line: -1 is not a line`},
		"nameless line":          {replaced(`line = 17`, `line = ""`), `:10: lock.gpio.line: "" is not a line`},
		"no meaning":             {replaced(`active = "unlocked"`, ``), `lock.gpio.active: it is missing; want "locked" or "unlocked"`},
		"unknown meaning":        {replaced(`active = "unlocked"`, `active = "open"`), `:11: lock.gpio.active: "open" is not possible`},
		"unknown bias":           {replaced(`"pull-up"`, `"up"`), `:16: lock.bolt_sensor.bias: "up" is not possible; want "as-is"`},
		"sensor without meaning": {replaced(`active = "locked"`, ``), `lock.bolt_sensor.active: it is missing`},
		"door that locks":        {replaced(`active = "open"`, `active = "locked"`), `lock.door_sensor.active: "locked" is not possible; want "open" or "closed"`},
		"debounce too long":      {replaced(`"50ms"`, `"2s"`), `lock.door_sensor.debounce: 2s is not possible`},
		"one line of dual":       {inDual(`unlock_line = 18`, ``), `lock.gpio.unlock_line: it is missing`},
		"twice the same line":    {inDual(`unlock_line = 18`, `unlock_line = 17`), `lock.gpio.unlock_line: it is the same line as lock.gpio.line`},
		"coil below the bound":   {inDual("[lock.gpio]", "max_energised = \"2s\"\n[lock.gpio]"), `lock.max_energised: 2s is not possible; want 3s to 10m; a line may stay energised for 3s after a crash`},
		"pulse over the coil's":  {inDual("[lock.gpio]", "pulse = \"11s\"\n[lock.gpio]"), `lock.pulse: 11s is not possible; want 10ms to 10s (max_energised)`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant one line with %s", err, tc.want)
			}
		})
	}
}
