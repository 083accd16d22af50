package actuator

import (
	"slices"
	"strings"
	"time"
)

// exploreConfig is one configuration of the lock. Each field is the index of a value.
type exploreConfig struct {
	mode    int // Hold, Pulse, Dual
	sensor  int
	door    int
	exit    int // none, unlock, shunt
	manual  int
	onClose int
	powerOn int // Locked, last, Unlocked
	faults  int // 1 if setting the lines can fail
}

// choices holds the number of possible values of each field of exploreConfig.
var choices = [8]int{3, 2, 2, 3, 2, 2, 3, 2}

func (c *exploreConfig) fields() [8]*int {
	return [8]*int{&c.mode, &c.sensor, &c.door, &c.exit, &c.manual, &c.onClose, &c.powerOn, &c.faults}
}

func (c exploreConfig) String() string {
	words := []string{[]string{"hold", "pulse", "dual"}[c.mode]}
	for i, names := range [][]string{{"", "bolt-sensor"}, {"", "door-sensor"}, {"", "exit", "shunt"}, {"", "manual"}, {"", "relock-on-close"},
		{"", "last", "unlocked"}, {"", "faults"}} {
		if name := names[*c.fields()[i+1]]; name != "" {
			words = append(words, name)
		}
	}
	return strings.Join(words, "+")
}

// sensible reports whether the lock accepts a configuration and no other configuration
// has the same effect.
func (c exploreConfig) sensible() bool {
	return !(c.onClose == 1 && c.door == 0) && !(c.mode != 0 && c.powerOn != 0) && !(c.manual == 1 && c.door == 0 && c.sensor == 0)
}

// features returns the number of values in which a configuration differs from the
// simplest one of its mode.
func (c exploreConfig) features() int {
	n := 0
	for i, f := range c.fields() {
		if i > 0 && *f != 0 {
			n++
		}
	}
	return n
}

func allConfigs() []exploreConfig {
	all := []exploreConfig{{}}
	for i, n := range choices {
		var next []exploreConfig
		for _, c := range all {
			for v := range n {
				*c.fields()[i] = v
				next = append(next, c)
			}
		}
		all = next
	}
	return slices.DeleteFunc(all, func(c exploreConfig) bool { return !c.sensible() })
}

// pairwise returns configurations that together contain each pair of values that a
// sensible configuration can have.
func pairwise() []exploreConfig {
	type pair struct{ i, a, j, b int }
	pairsOf := func(c exploreConfig) []pair {
		var pairs []pair
		f := c.fields()
		for i := range f {
			for j := range i {
				pairs = append(pairs, pair{i, *f[i], j, *f[j]})
			}
		}
		return pairs
	}

	missing := map[pair]bool{}
	all := slices.DeleteFunc(allConfigs(), func(c exploreConfig) bool { return c.features() > 2 })
	for _, c := range all {
		for _, p := range pairsOf(c) {
			missing[p] = true
		}
	}

	var chosen []exploreConfig
	for len(missing) > 0 {
		best, most := exploreConfig{}, 0
		for _, c := range all {
			news := 0
			for _, p := range pairsOf(c) {
				if missing[p] {
					news++
				}
			}
			if news > most {
				best, most = c, news
			}
		}
		chosen = append(chosen, best)
		for _, p := range pairsOf(best) {
			delete(missing, p)
		}
	}
	return chosen
}

// exploreTick is the simulated world's unit of time.
const exploreTick = time.Second

func (c exploreConfig) settings() settings {
	return settings{
		mode:      []Mode{Hold, Pulse, Dual}[c.mode],
		atPowerOn: []Position{Locked, "", Unlocked}[c.powerOn],
		bootID:    "boot", sensor: c.sensor == 1, doorSensor: c.door == 1,
		manual: c.manual == 1, exitShunts: c.exit == 2, relockOnClose: c.onClose == 1,
		confirmTimeout: 2 * exploreTick, minInterval: exploreTick, pulse: exploreTick, maxEnergised: 2 * exploreTick,
		exitTime: exploreTick, settle: exploreTick,
		waits: waits{
			openRetry: 2 * exploreTick, driveRetry: 2 * exploreTick, idleRetry: exploreTick,
			doorSensor: exploreTick, exitStuck: 2 * exploreTick,
		},
	}
}
