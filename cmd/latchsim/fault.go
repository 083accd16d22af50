package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// fault says how a simulated door fails.
type fault string

const (
	healthy fault = ""
	jam     fault = "jam"     // the bolt does not move
	late    fault = "late"    // the bolt needs 3 s to move
	offline fault = "offline" // the door never connects
	forced  fault = "forced"  // somebody pries the locked door open
	ajar    fault = "ajar"    // somebody leaves the door open
)

// shares says which fraction of the fleet has each fault. Each fraction is from 0 to 1.
type shares struct{ jam, late, offline, forced, ajar float64 }

func (s shares) sum() float64 { return s.jam + s.late + s.offline + s.forced + s.ajar }

// pick chooses the fault of the device with the given id. The same arguments always
// give the same fault.
func (s shares) pick(seed int64, id string) fault {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", seed, id))
	random := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53) // from 0 up to 1
	switch {
	case random < s.jam:
		return jam
	case random < s.jam+s.late:
		return late
	case random < s.jam+s.late+s.offline:
		return offline
	case random < s.jam+s.late+s.offline+s.forced:
		return forced
	case random < s.sum():
		return ajar
	}
	return healthy
}

// plan lists the simulated doors with their faults.
type plan struct {
	doors []door
	seed  int64
}

// door is one simulated door.
type door struct {
	id    string // the device id
	fault fault
}

// plan chooses which simulated doors fail, and how.
func (o options) plan() plan {
	p := plan{doors: make([]door, o.devices), seed: o.seed}
	for i := range p.doors {
		id := o.id(i + 1)
		p.doors[i] = door{id, o.shares.pick(o.seed, id)}
	}
	return p
}

// count returns the number of doors with the fault f.
func (p plan) count(f fault) int {
	n := 0
	for _, d := range p.doors {
		if d.fault == f {
			n++
		}
	}
	return n
}

// String returns the number of devices and the number of each fault in one line.
func (p plan) String() string {
	return fmt.Sprintf("%d devices, %s to %s; with seed %d, %d jam, %d are late, %d stay offline, %d are forced open and %d are left ajar",
		len(p.doors), p.doors[0].id, p.doors[len(p.doors)-1].id, p.seed,
		p.count(jam), p.count(late), p.count(offline), p.count(forced), p.count(ajar))
}

// list writes one line for each door that fails: its device id and its fault.
func (p plan) list(to io.Writer) error {
	w := bufio.NewWriter(to)
	for _, d := range p.doors {
		if d.fault != healthy {
			fmt.Fprintf(w, "%s %s\n", d.id, d.fault)
		}
	}
	return w.Flush()
}
