package simulation

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// crashHub adds the end of the hub's process and its next start.
func (p *planner) crashHub() {
	s, writes, outage := p.site, 1+p.random.Int64N(100), p.upTo(time.Minute)
	if p.random.IntN(4) == 0 {
		p.add(fmt.Sprint("restart the hub after ", outage), func() {
			s.change(func() (string, error) { return s.directory(), s.stop() }, outage)
		})
		return
	}
	p.add(fmt.Sprint("kill the hub at write ", writes, " and start it after ", outage), func() {
		s.change(func() (string, error) { return s.killAfter(writes) }, outage)
	})
}

// fillHub adds a disk of the hub on which the database can hardly grow, and jobs that make
// it grow.
func (p *planner) fillHub() {
	s, spare := p.site, p.random.Int64N(12<<10)
	restart := func(limit func(size int64) int64) func() {
		return func() {
			s.change(func() (string, error) {
				err := s.stop()
				info, statErr := os.Stat(filepath.Join(s.directory(), "hub.db"))
				if statErr != nil {
					return s.directory(), statErr
				}
				s.maxDatabase = limit(info.Size())
				return s.directory(), err
			}, 0)
		}
	}
	p.add(fmt.Sprint("fill the hub's disk except for ", spare, " bytes"), restart(func(size int64) int64 { return size + spare }))
	p.repairAfter(4*time.Minute+p.upTo(4*time.Minute), "empty the hub's disk", restart(func(int64) int64 { return 0 }))

	began := p.at
	for range 4 { // jobs for all devices need much room
		p.at = min(p.at+30*time.Second, p.duration)
		job := p.newJob("*")
		name, payload := p.method(job.JobID)
		p.callMethod(job, name, payload)
	}
	p.at = began
}

// change ends the hub's process with end, waits for the time outage, and starts the next
// process in the data directory that end returns. Changes happen one after the other.
func (s *site) change(end func() (string, error), outage time.Duration) {
	s.world.actions.Go(func() {
		s.busy <- struct{}{}
		defer func() { <-s.busy }()
		s.crashes++
		dir, err := end()
		if err == nil {
			time.Sleep(outage)
			err = s.start(dir)
		}
		if err != nil { // the hub must start even if its disk is full
			s.world.fail(2, "restart the hub: %v", err)
		}
	})
}

// crashGateway adds the end of an agent's process and its next start.
func (p *planner) crashGateway(g *gateway) {
	seam, outage, kind := 1+p.random.IntN(60), p.upTo(2*time.Minute), p.random.IntN(4)
	switch kind {
	case 0:
		p.add(fmt.Sprint("restart ", g.id(), " after ", outage), func() { g.change(func() { g.stop(true) }, false, outage) })
	case 1:
		p.add(fmt.Sprint("cut the power of ", g.id(), " at seam call ", seam, " for ", outage), func() {
			g.change(func() {
				g.killAt(seam)
				g.disk.powerCut(g.random)
			}, true, outage)
		})
	default:
		p.add(fmt.Sprint("kill ", g.id(), " at seam call ", seam, " and start it after ", outage), func() {
			g.change(func() { g.killAt(seam) }, false, outage)
		})
	}
}

// change ends the agent's process with end and starts the next one after the time outage.
// Changes of a gateway happen one after the other.
func (g *gateway) change(end func(), cold bool, outage time.Duration) {
	g.world.actions.Go(func() {
		g.busy <- struct{}{}
		defer func() { <-g.busy }()
		g.crashes++
		end()
		time.Sleep(outage)
		g.resume(cold)
	})
}

// killAt ends the agent at its n-th seam call from now on, or after half a minute.
func (g *gateway) killAt(n int) {
	p := g.running()
	p.dieAfter(n)
	select {
	case <-p.died:
	case <-time.After(30 * time.Second):
	}
	g.stop(false)
}

// stepClock adds a wrong clock of a gateway or of the hub.
func (p *planner) stepClock(g *gateway) {
	clock, whose := &g.clockOff, g.id()
	if p.random.IntN(4) == 0 {
		clock, whose = &p.site.clockOff, "the hub"
	}
	by := time.Duration(p.random.NormFloat64() * float64(time.Hour)).Round(time.Second)
	if p.random.IntN(3) == 0 {
		by *= 100
	}
	p.add(fmt.Sprint("step the clock of ", whose, " by ", by), func() { clock.Store(int64(by)) })
	p.repairAfter(p.upTo(10*time.Minute), "correct the clock of "+whose, func() { clock.Store(0) })
}

// moveHub adds a restart of the hub at another address.
func (p *planner) moveHub() {
	s, outage := p.site, p.upTo(time.Minute)
	p.add(fmt.Sprint("restart the hub at another address after ", outage), func() {
		s.change(func() (string, error) {
			err := s.stop()
			p.network.move()
			return s.directory(), err
		}, outage)
	})
}

// rollKey adds a new key of a device: first the hub gets it beside the present key, then the
// gateway. If the hub does not answer, the gateway keeps its key, which must still work.
func (p *planner) rollKey(g *gateway) {
	key := make(iothub.Key, 32)
	for i := range key {
		key[i] = byte(p.random.IntN(256))
	}
	p.add("roll the key of "+g.id(), func() {
		g.change(func() {
			if err := p.technician.addKey(g.id(), g.device.Key, key); err == nil {
				g.device.Key = key
				g.rolls++
			}
			g.stop(true)
		}, false, 0)
	})
}
