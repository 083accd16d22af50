package console

import (
	"context"
	"slices"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/transport/rest"
)

const (
	// settleDelay is the pause between the two reads of the doors after the end of a job.
	// The second read is necessary because devices report their new state shortly after
	// they have answered.
	settleDelay = 2 * time.Second

	// gatherDelay is how long the console collects the hub's events before it reads the
	// changed devices. The query budget does not delay these reads. Only the embedded hub
	// sends events, and it throttles its clients itself if it enforces a tier's limits.
	gatherDelay = 200 * time.Millisecond

	// liveRefresh is the time between two reads of all doors while the hub sends events.
	liveRefresh = time.Minute

	// maxChanged is the maximum number of changed devices that the console reads by id.
	// If more devices have changed, it reads all doors.
	maxChanged = 100
)

// pollDoors keeps the list of doors up to date until ctx ends. While a page is open, it
// reads the doors periodically, on request, and when the hub reports changes.
func (s *Server) pollDoors(ctx context.Context) {
	extraReads := 0  // number of reads still to make, each after a pause of settleDelay
	var ids []string // ids of the devices to read; nil means all

	for {
		waited, err := s.feed.awaitSubscriber(ctx)
		if err != nil {
			return
		}
		if waited {
			ids = nil // the list is out of date, because no page was open
		}

		pause, err := s.updateDoors(ctx, ids)
		if ctx.Err() != nil {
			return
		}
		if extraReads > 0 {
			pause = settleDelay
			extraReads--
		}

		ids = s.awaitNextRead(ctx, pause, &extraReads)
		if err != nil {
			ids = nil
		}
	}
}

// updateDoors reads the devices with the given ids, or all devices if ids is nil, and
// publishes the result. It returns the pause before the next periodic read.
func (s *Server) updateDoors(ctx context.Context, ids []string) (pause time.Duration, err error) {
	doors, err := s.queryDoors(ctx, ids)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}

	interval := s.interval(len(doors))
	now := s.opts.Fleet.Now()
	live := false
	s.feed.do(ctx, func(f *feed) {
		live = f.live
		if err != nil {
			f.setError(err.Error(), int(interval/time.Second))
			return
		}

		if ids != nil {
			doors = replaceDoors(f.doors, ids, doors)
		}
		f.setDoors(doors, status{ReadAt: &now, Every: int(s.interval(len(doors)) / time.Second), Live: live})
	})

	if live {
		return liveRefresh, err
	}
	return max(interval, s.budget.wait(now)), err
}

// interval returns the time between two periodic reads of the given number of doors.
func (s *Server) interval(doors int) time.Duration {
	return max(s.opts.Refresh, time.Duration(queriesFor(doors))*timePerQuery)
}

// awaitNextRead waits until the console must read doors: after the pause, on request,
// or when the hub reports changes. It returns the ids of the devices to read; nil
// means all. A request also sets extraReads, the number of reads that follow.
func (s *Server) awaitNextRead(ctx context.Context, pause time.Duration, extraReads *int) []string {
	timer := time.NewTimer(pause)
	defer timer.Stop()

	var gathered <-chan time.Time
	for {
		select {
		case <-s.changes:
			if gathered == nil {
				gathered = time.After(gatherDelay)
			}
			continue

		case <-gathered:
			var ids []string
			s.feed.do(ctx, func(f *feed) { ids = f.takeChanged() })
			if ids != nil && len(ids) == 0 {
				gathered = nil // an earlier read already included the changes
				continue
			}
			return ids

		case <-timer.C:
		case *extraReads = <-s.refresh:
		case <-ctx.Done():
		}

		s.feed.do(ctx, func(f *feed) { f.takeChanged() }) // the read of all doors includes the changed devices
		return nil
	}
}

// refreshNow requests a read of all doors. extraReads more reads follow, each after
// settleDelay, for devices that report late.
func (s *Server) refreshNow(extraReads int) {
	select {
	case s.refresh <- extraReads:
	default: // a request is already waiting
	}
}

// queryDoors reads from the hub the devices with the given ids, or all devices if ids
// is nil.
func (s *Server) queryDoors(ctx context.Context, ids []string) ([]door.Door, error) {
	queries := []string{door.Query}
	if ids != nil {
		queries = nil
		for _, part := range rest.SplitDevices(ids, rest.MaxQuery-len(door.Query+" WHERE ")) {
			queries = append(queries, door.Query+" WHERE "+rest.DevicesIn(part))
		}
	}

	doors := []door.Door{}
	for _, query := range queries {
		found, err := s.queryDoorsOnce(ctx, query)
		if err != nil {
			return nil, err
		}
		doors = append(doors, found...)
	}

	return doors, nil
}

// queryDoorsOnce returns the doors in the result of one query. The query counts against
// the console's query budget.
func (s *Server) queryDoorsOnce(ctx context.Context, query string) ([]door.Door, error) {
	var doors []door.Door
	for row, err := range s.opts.Hub.Query(ctx, query) {
		if err != nil {
			return nil, err
		}
		d, err := door.Parse(row)
		if err != nil {
			return nil, err
		}
		doors = append(doors, d)
	}
	s.budget.spend(len(doors), s.opts.Fleet.Now())

	return doors, nil
}

// replaceDoors returns a copy of doors with the new state of the devices with the
// given ids. current holds the new state; a device that current lacks was deleted, so
// it is left out.
func replaceDoors(doors []door.Door, ids []string, current []door.Door) []door.Door {
	others := slices.DeleteFunc(slices.Clone(doors), func(d door.Door) bool { return slices.Contains(ids, d.ID) })
	return append(others, current...)
}
