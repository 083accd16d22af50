//go:build !race

package actuator

const raceEnabled = false
