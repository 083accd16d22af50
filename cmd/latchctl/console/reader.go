package console

import (
	"context"
	"slices"
	"time"

	"github.com/latchd/latchd/transport/rest"
)

const (
	// soon is when the hub is read a second time after a job has ended: devices
	// report a moment after they have answered.
	soon = 2 * time.Second
	// gather is how long the hub's events are gathered before the devices that
	// they are about are read. It is the only pause: a hub that tells is no Azure,
	// and if it keeps to a tier's limits it holds its clients back itself.
	gather = 200 * time.Millisecond
	// liveRefresh is how often all doors are read where the hub tells of changes.
	liveRefresh = time.Minute
	// maxChanged is of how many devices the changes are read one by one; of more
	// all are read.
	maxChanged = 100
)

// read keeps the board's doors fresh until ctx ends: while a page looks, every so
// often, and at once when asked by refresh or told by the hub.
func (s *Server) read(ctx context.Context) {
	again := 0           // readings that are still due soon
	var changed []string // the devices to be read; nil: all
	for s.await(ctx, &changed) == nil {
		doors, err := s.doors(ctx, changed)
		if ctx.Err() != nil {
			return
		}
		every := s.every(len(doors))
		now, live := s.opts.Now(), false
		s.board.do(ctx, func(b *board) {
			live = b.live
			if err != nil {
				b.setError(err.Error(), int(every/time.Second))
				return
			}
			if changed != nil {
				doors = replaced(b.doors, changed, doors)
			}
			b.setDoors(doors, status{ReadAt: &now, Every: int(s.every(len(doors)) / time.Second), Live: live})
		})
		wait := max(every, s.pace.wait(now))
		if live {
			wait = liveRefresh
		}
		if again > 0 {
			wait, again = soon, again-1
		}
		if changed = s.pause(ctx, wait, &again); err != nil {
			changed = nil
		}
	}
}

// await waits until a page looks. After a time without one all is read anew.
func (s *Server) await(ctx context.Context, changed *[]string) error {
	waited, err := s.board.await(ctx)
	if waited {
		*changed = nil
	}
	return err
}

// every is the time between two readings of that many doors.
func (s *Server) every(doors int) time.Duration {
	return max(s.opts.Refresh, time.Duration(pages(doors))*perPage)
}

// pause waits until doors are to be read again, and returns those that have
// changed; nil is all.
func (s *Server) pause(ctx context.Context, wait time.Duration, again *int) (changed []string) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var gathered <-chan time.Time
	for {
		select {
		case <-s.told:
			if gathered == nil {
				gathered = time.After(gather)
			}
			continue
		case <-gathered:
			s.board.do(ctx, func(b *board) { changed = b.takeChanged() })
			if changed != nil && len(changed) == 0 {
				gathered = nil // they were read with the others
				continue
			}
			return changed
		case <-timer.C:
		case *again = <-s.refresh:
		case <-ctx.Done():
		}
		s.board.do(ctx, func(b *board) { b.takeChanged() })
		return nil
	}
}

// refreshNow has the doors read at once, and again soon after as often as is said,
// as they may not have reported yet.
func (s *Server) refreshNow(again int) {
	select {
	case s.refresh <- again:
	default: // it is asked for already
	}
}

// doors reads devices; nil is all.
func (s *Server) doors(ctx context.Context, ids []string) ([]door, error) {
	query := doorQuery
	if ids != nil {
		query += " WHERE " + rest.DevicesIn(ids)
	}
	doors := []door{}
	for row, err := range s.opts.Hub.Query(ctx, query) {
		if err != nil {
			return nil, err
		}
		d, err := parseDoor(row)
		if err != nil {
			return nil, err
		}
		doors = append(doors, d)
	}
	s.pace.spend(len(doors), s.opts.Now())
	return doors, nil
}

// replaced returns doors with those of ids put in place: an id that was not found
// is a device that is gone.
func replaced(doors []door, ids []string, found []door) []door {
	others := slices.DeleteFunc(slices.Clone(doors), func(d door) bool { return slices.Contains(ids, d.ID) })
	return append(others, found...)
}
