package main

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

// The times of people at a door.
const (
	pressTime    = 300 * time.Millisecond // how long somebody presses the exit button
	reachTime    = 700 * time.Millisecond // from the button to the handle
	passTime     = 3 * time.Second        // how long the door is open
	incidentTime = 5 * time.Second        // from the first report to the incident, and between attempts

	visitTime = pressTime + reachTime + passTime
	minExits  = 2 * visitTime // the least mean time between two people
)

// people use one simulated door.
type people struct {
	driver *mock.Driver
	status func() actuator.Status // of the door's lock
	random *rand.Rand
}

// newPeople makes people who do the same for the same seed and device.
func newPeople(driver *mock.Driver, lock *actuator.Lock, seed int64, id string) people {
	hash := fnv.New64a()
	hash.Write([]byte(id))
	return people{driver, lock.Status, rand.New(rand.NewPCG(uint64(seed), hash.Sum64()))}
}

// use plays the door's fault once, or else lets people leave at intervals. It returns
// when ctx ends.
func (p people) use(ctx context.Context, f fault, exits time.Duration) {
	switch f {
	case forced:
		p.pry(ctx)
		return
	case ajar:
		if wait(ctx, incidentTime) {
			p.leave(ctx) // and nobody closes the door
		}
		return
	}

	if exits == 0 || !wait(ctx, p.upTo(exits)) {
		return
	}
	pause := exits - visitTime // the mean one
	for p.leave(ctx) && wait(ctx, passTime) {
		p.driver.CloseDoor()
		if !wait(ctx, pause/2+p.upTo(pause)) {
			return
		}
	}
}

// pry opens the door by force once the door is locked.
func (p people) pry(ctx context.Context) {
	for wait(ctx, incidentTime) {
		if p.status().Secured {
			p.driver.PryDoor()
			return
		}
	}
}

// leave presses the exit button and opens the door. It returns false if ctx ended.
// Where the bolt did not move, the door stays closed.
func (p people) leave(ctx context.Context) bool {
	p.driver.PressExit()
	if !wait(ctx, pressTime) {
		return false
	}
	p.driver.ReleaseExit()
	if !wait(ctx, reachTime) {
		return false
	}
	p.driver.OpenDoor()
	return true
}

// upTo returns a random time below d.
func (p people) upTo(d time.Duration) time.Duration { return time.Duration(p.random.Int64N(int64(d))) }

// wait waits for a time. It returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
