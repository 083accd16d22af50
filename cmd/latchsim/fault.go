package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// fault is how a simulated device fails.
type fault string

const (
	sound   fault = ""
	jam     fault = "jam"     // its bolt does not move
	late    fault = "late"    // its bolt takes 3 s
	offline fault = "offline" // it never connects
)

// shares are the parts of the fleet that fail, from 0 to 1.
type shares struct{ jam, late, offline float64 }

func (s shares) sum() float64 { return s.jam + s.late + s.offline }

// of returns how a device fails. It depends on nothing but its arguments.
func (s shares) of(seed int64, id string) fault {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", seed, id))
	chance := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
	switch {
	case chance < s.jam:
		return jam
	case chance < s.jam+s.late:
		return late
	case chance < s.sum():
		return offline
	}
	return sound
}

// plan is the fleet to be simulated.
type plan struct {
	doors []planned
	seed  int64
}

type planned struct {
	id    string
	fault fault
}

func (o options) plan() plan {
	p := plan{doors: make([]planned, o.devices), seed: o.seed}
	for i := range p.doors {
		id := o.id(i + 1)
		p.doors[i] = planned{id, o.shares.of(o.seed, id)}
	}
	return p
}

func (p plan) count(f fault) int {
	n := 0
	for _, d := range p.doors {
		if d.fault == f {
			n++
		}
	}
	return n
}

// String says what is in the plan, in one line.
func (p plan) String() string {
	return fmt.Sprintf("%d devices, %s to %s; with seed %d %d jam, %d are late, %d stay offline",
		len(p.doors), p.doors[0].id, p.doors[len(p.doors)-1].id, p.seed, p.count(jam), p.count(late), p.count(offline))
}

// list writes a line with id and fault for each device that fails.
func (p plan) list(to io.Writer) error {
	w := bufio.NewWriter(to)
	for _, d := range p.doors {
		if d.fault != sound {
			fmt.Fprintf(w, "%s %s\n", d.id, d.fault)
		}
	}
	return w.Flush()
}
