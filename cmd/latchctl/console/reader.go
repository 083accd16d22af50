package console

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// pageRows is how many rows the hub gives at once: one query of its quota.
	pageRows = 1000
	// perPage is the time that one query stands for: ten a minute, half of what
	// IoT Hub grants a unit of its tiers S1 and S2.
	perPage = 6 * time.Second
	// soon is when the hub is read a second time after a job has ended: devices
	// report a moment after they have answered.
	soon = 2 * time.Second
)

// pace counts the queries since the doors were last read, and says how long to
// wait before they are read again.
type pace struct {
	least   time.Duration
	queries atomic.Int64
}

// spend counts the queries that a number of rows has taken.
func (p *pace) spend(rows int) { p.queries.Add(int64(rows/pageRows) + 1) }

// next is the time until the doors are read again.
func (p *pace) next() time.Duration {
	return max(p.least, time.Duration(p.queries.Swap(0))*perPage)
}

// read keeps the board's doors fresh until ctx ends: while a page looks, every
// so often, and at once when asked by refresh.
func (s *Server) read(ctx context.Context) {
	again := 0 // readings that are still due soon
	for {
		if s.board.await(ctx) != nil {
			return
		}
		doors, err := s.doors(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := s.pace.next()
		now, every := s.opts.Now(), int(wait/time.Second)
		s.board.do(ctx, func(b *board) {
			if err != nil {
				b.setError(err.Error(), every)
				return
			}
			b.setDoors(doors, status{ReadAt: &now, Every: every})
		})
		if again > 0 {
			wait, again = soon, again-1
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case n := <-s.refresh:
			again = n
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// refreshNow has the doors read at once, and again soon after if the doors may
// not have reported yet.
func (s *Server) refreshNow(again int) {
	select {
	case s.refresh <- again:
	default: // it is asked for already
	}
}

// doors reads all devices.
func (s *Server) doors(ctx context.Context) ([]door, error) {
	doors := []door{}
	for row, err := range s.opts.Hub.Query(ctx, doorQuery) {
		if err != nil {
			return nil, err
		}
		d, err := parseDoor(row)
		if err != nil {
			return nil, err
		}
		doors = append(doors, d)
	}
	s.pace.spend(len(doors))
	return doors, nil
}
