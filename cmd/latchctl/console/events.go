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
	// minReconnectPause and maxReconnectPause bound the pause before the console
	// reconnects to the hub's event stream.
	minReconnectPause = time.Second
	maxReconnectPause = time.Minute

	// maxNames limits the length of the device ids in one query, in characters. A hub
	// refuses queries of more than 8192 characters.
	maxNames = 6000
)

// followEvents starts a read of the doors whenever the hub reports a change. If the hub has
// no events, as IoT Hub, followEvents returns and the doors are read periodically.
func (s *Server) followEvents(ctx context.Context) {
	for pause := minReconnectPause; ; pause = min(2*pause, maxReconnectPause) {
		if _, err := s.feed.awaitSubscriber(ctx); err != nil {
			return
		}

		connected, err := s.readEvents(ctx)
		s.feed.do(ctx, func(f *feed) { f.live = false })
		if e, ok := errors.AsType[*iothub.Error](err); ok && e.Status < 500 && e.Status != http.StatusTooManyRequests {
			return
		}

		if connected {
			pause = minReconnectPause
			s.refreshNow(0) // shows the error if the hub is unreachable
		}
		if s.opts.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// readEvents reads the hub's events until the stream ends. connected reports whether the
// stream had started.
func (s *Server) readEvents(ctx context.Context) (connected bool, err error) {
	for e, err := range s.opts.Hub.Events(ctx, "twin", "lifecycle") {
		if err != nil {
			return connected, err
		}

		if e.Kind == "ready" { // the stream does not include earlier changes
			connected = true
			s.feed.do(ctx, func(f *feed) { f.live = true })
			s.refreshNow(0)
			continue
		}

		s.feed.do(ctx, func(f *feed) { f.markChanged(e.DeviceID) })
		select {
		case s.changes <- struct{}{}:
		default:
		}
	}

	return connected, nil
}

// markChanged records that a device has changed. It stops recording after maxChanged+1
// devices, because then all devices are read.
func (f *feed) markChanged(id string) {
	if len(f.changed) <= maxChanged {
		f.changed[id] = true
	}
}

// takeChanged returns the ids of the devices that changed since the last call. It returns
// nil if one query cannot name them all.
func (f *feed) takeChanged() []string {
	defer clear(f.changed)

	ids := make([]string, 0, len(f.changed))
	length := 0
	for id := range f.changed {
		ids = append(ids, id)
		length += len(rest.Quote(id)) + 1
	}

	if len(ids) > maxChanged || length > maxNames {
		return nil
	}
	return ids
}
