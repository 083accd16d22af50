package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	firstPause = time.Second
	lastPause  = time.Minute
	// maxNames is how long the names of devices in a query can be: a hub takes none
	// of more than 8192 characters.
	maxNames = 6000
)

// listen has the doors read as soon as the hub tells that they have changed. A hub
// that has no such events, as IoT Hub, is asked once; it is read by the clock.
func (s *Server) listen(ctx context.Context) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if _, err := s.board.await(ctx); err != nil {
			return
		}
		heard, err := s.hear(ctx)
		s.board.do(ctx, func(b *board) { b.live = false })
		if e, ok := errors.AsType[*iothub.Error](err); ok && e.Status < 500 && e.Status != http.StatusTooManyRequests {
			return
		}
		if heard {
			pause = firstPause
			s.refreshNow(0) // to say so, if the hub is away
		}
		if s.opts.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// hear listens until the hub's events end. heard says that they had begun.
func (s *Server) hear(ctx context.Context) (heard bool, err error) {
	for e, err := range s.opts.Hub.Events(ctx, "twin", "lifecycle") {
		if err != nil {
			return heard, err
		}
		if e.Kind == "ready" { // what was before is not told
			heard = true
			s.board.do(ctx, func(b *board) { b.live = true })
			s.refreshNow(0)
			continue
		}
		s.board.do(ctx, func(b *board) { b.change(e.DeviceID) })
		select {
		case s.told <- struct{}{}:
		default:
		}
	}
	return heard, nil
}

// change notes that a device has changed. Of too many it is only known that there
// are too many.
func (b *board) change(id string) {
	if len(b.changed) <= maxChanged {
		b.changed[id] = true
	}
}

// takeChanged returns the devices that have changed, once; nil if they are too
// many for a query.
func (b *board) takeChanged() []string {
	defer clear(b.changed)
	ids, length := make([]string, 0, len(b.changed)), 0
	for id := range b.changed {
		ids = append(ids, id)
		length += len(rest.Quote(id)) + 1
	}
	if len(ids) > maxChanged || length > maxNames {
		return nil
	}
	return ids
}
