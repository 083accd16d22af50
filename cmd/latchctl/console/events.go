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
	// minReconnectPause and maxReconnectPause are the shortest and the longest pause
	// before the console reconnects to the hub's event stream.
	minReconnectPause = time.Second
	maxReconnectPause = time.Minute

	// maxNames is the maximum total length of the device ids in one query, in characters.
	// A hub refuses queries of more than 8192 characters.
	maxNames = 6000
)

// followEvents listens to the hub's events and starts a read of the doors after each
// change. Azure IoT Hub has no event stream: followEvents then returns, and the console
// only reads the doors periodically.
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
			s.refreshNow(0) // if the hub is unreachable, this read shows the error
		}
		if s.opts.Fleet.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// readEvents reads the hub's events until the stream ends. The result connected is true
// if the hub had started the stream.
func (s *Server) readEvents(ctx context.Context) (connected bool, err error) {
	for e, err := range s.opts.Hub.Events(ctx, "twin", "lifecycle") {
		if err != nil {
			return connected, err
		}

		if e.Kind == "ready" { // read all doors: the stream does not contain earlier changes
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

// markChanged records that a device has changed. It stops at maxChanged+1 devices,
// because the console then reads all doors.
func (f *feed) markChanged(id string) {
	if len(f.changed) <= maxChanged {
		f.changed[id] = true
	}
}

// takeChanged returns the ids of the devices that changed since its last call. It
// returns nil if one query cannot name all of these devices.
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
