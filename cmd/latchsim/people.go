package main

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

// Times in the simulation of people at a door.
const (
	pressTime    = 300 * time.Millisecond // how long somebody presses the exit button
	reachTime    = 700 * time.Millisecond // from pressing the exit button to turning the handle
	passTime     = 3 * time.Second        // how long the door stays open
	incidentTime = 5 * time.Second        // wait before an incident, and before another attempt if the door was not locked

	visitTime = pressTime + reachTime + passTime
	minExits  = 2 * visitTime // shortest mean time between two people
)

// people simulates the people who use one door.
type people struct {
	driver *mock.Driver
	status func() actuator.Status // returns the status of the door's lock
	random *rand.Rand
}

// newPeople makes simulated people. Two calls with the same seed and device id make
// people who act alike.
func newPeople(driver *mock.Driver, lock *actuator.Lock, seed int64, id string) people {
	hash := fnv.New64a()
	hash.Write([]byte(id))
	return people{driver, lock.Status, rand.New(rand.NewPCG(uint64(seed), hash.Sum64()))}
}

// use simulates the people at the door until ctx ends. If the fault is forced or ajar,
// somebody forces the door or leaves it open once. Otherwise people leave through the
// door at intervals.
func (p people) use(ctx context.Context, f fault, exits time.Duration) {
	switch f {
	case forced:
		p.pry(ctx)
		return
	case ajar:
		if wait(ctx, incidentTime) {
			p.leave(ctx) // nobody closes the door afterwards
		}
		return
	}

	if exits == 0 || !wait(ctx, p.upTo(exits)) {
		return
	}
	pause := exits - visitTime // mean pause between two visits
	for p.leave(ctx) && wait(ctx, passTime) {
		p.driver.CloseDoor()
		if !wait(ctx, pause/2+p.upTo(pause)) {
			return
		}
	}
}

// pry waits until the door is locked and then pries it open, as a burglar does.
func (p people) pry(ctx context.Context) {
	for wait(ctx, incidentTime) {
		if p.status().Secured {
			p.driver.PryDoor()
			return
		}
	}
}

// leave simulates somebody who presses the exit button and opens the door. The door
// stays closed if the bolt did not move. leave returns false if ctx ended.
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

// upTo returns a random time that is shorter than d.
func (p people) upTo(d time.Duration) time.Duration { return time.Duration(p.random.Int64N(int64(d))) }

// wait waits for the time d. It returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
