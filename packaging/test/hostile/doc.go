// Package hostile attacks latchhub as a stranger would, who reaches the hub's ports and has
// no credentials. Each test asserts a bound that latchhub(8) states.
package hostile
