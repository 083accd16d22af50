package mqtt

import (
	"context"
	"errors"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// flushTimeout is how long methods in flight may hold up a renewal.
	flushTimeout = 30 * time.Second
	// endTimeout is how long they may hold up the end of Run: a bolt takes 4 s
	// or less.
	endTimeout = 5 * time.Second
	// stopTimeout bounds each step of unsubscribing from methods.
	stopTimeout = 10 * time.Second
)

// Run keeps the device connected until ctx ends, and calls serve for each link.
// It returns nil when ctx has ended, and an error only for options that can
// never work.
//
// Serve's context ends when the link is lost or has been closed; serve must
// return soon after, as the next attempt waits for it. If it returns earlier
// the link is closed and made again. When ctx ends no more methods are
// delivered, and those in flight have 5 s to be answered before serve's context
// ends.
//
// Between attempts Run waits, by chance, up to a ceiling that doubles with each
// failure in a row to 60 s. After a connection that broke or did not come about
// it waits from 0 s, up to 1 s at first; after a hub that has no time, or is not
// known by its name, 5 s to 10 s at first; after a login that was refused, or a
// link that another client of the same identity seems to take over again and
// again, 10 s to 20 s at first. It begins anew once a link has lasted for 60 s
// or to its renewal. A renewal connects again at once.
func Run(ctx context.Context, opts Options, serve func(ctx context.Context, link *Link) error) error {
	s, err := opts.check()
	if err == nil && opts.Locate == nil {
		_, err = s.as(opts.Device)
	}
	if err != nil {
		return err
	}
	var h history
	for ctx.Err() == nil {
		end := s.attempt(ctx, h, serve)
		if ctx.Err() != nil {
			break
		}
		var delay time.Duration
		h, delay = h.after(end, s.Rand())
		if end.renewed {
			continue
		}
		if h.contested() {
			s.Logger.Warn("the hub closes the link again and again soon after the login: another client seems to log in as this device",
				zap.Int("times", h.closings))
		}
		s.Logger.Warn("not connected to the hub", zap.Error(end.err), zap.Duration("retry_in", delay.Round(time.Millisecond)))
		select {
		case <-s.After(delay):
		case <-ctx.Done():
		}
	}
	return nil
}

// ending is how one attempt ended.
type ending struct {
	linked  bool // there was a link
	lasted  time.Duration
	renewed bool  // it ended for its token to be renewed
	err     error // why it ended, or why there was none; nil if it was renewed
}

// locate returns the settings for the device that is to log in now.
func (s settings) locate(ctx context.Context, refusals int) (*settings, error) {
	if s.Locate == nil {
		return s.as(s.Device)
	}
	d, err := s.Locate(ctx, refusals)
	if err != nil {
		return nil, err
	}
	return s.as(d)
}

// attempt finds out who is to log in where, and does.
func (s settings) attempt(ctx context.Context, before history, serve func(context.Context, *Link) error) ending {
	located, err := s.locate(ctx, before.refusals)
	if err != nil {
		return ending{err: err}
	}
	return located.once(ctx, before.lastError, serve)
}

// once makes one attempt and serves the link that comes of it until its end.
func (s *settings) once(ctx context.Context, lastError string, serve func(context.Context, *Link) error) ending {
	link, err := s.connect(ctx, lastError)
	if err != nil {
		return ending{err: err}
	}
	since := s.Now()
	s.Logger.Info("connected to the hub", zap.String("address", s.server.Address), zap.String("device_id", s.Device.DeviceID))

	// Not ctx itself: what is in flight when it ends is to be answered first.
	serveCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- serve(serveCtx, link) }()

	end := ending{linked: true}
	select {
	case <-s.renewal():
		end.err = link.renew(ctx)
		end.renewed = end.err == nil
		cancel()
		<-served
	case <-ctx.Done():
		link.in.close()
		link.flush(context.WithoutCancel(ctx), endTimeout)
		cancel()
		<-served
	case <-link.ended:
		cancel()
		<-served
	case err := <-served:
		if link.in.isClosed() {
			<-link.ended // it was lost, which serve noticed first
		}
		end.err = fmt.Errorf("the device gave up the link: %w", orEnded(err))
	}
	if why := link.endedError(); why != nil {
		end.err, end.renewed = why, false
	}
	link.close(ErrLinkEnded)
	end.lasted = s.Now().Sub(since)
	return end
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("it ended without an error")
	}
	return err
}

// renew brings the link to where it can be closed with nothing lost: no more
// methods come, and those that came are answered. An error says that the hub
// did not take note; it is no reason not to close the link.
func (l *Link) renew(ctx context.Context) error {
	l.log.Debug("renewing the token")
	err := l.stopMethods(ctx)
	l.in.close()
	l.flush(ctx, flushTimeout)
	if err == nil {
		l.awaitRead(ctx)
	}
	return err
}

// awaitRead waits until the hub has read the answers. That they are written is not
// enough: a hub may see the next link first, and drop what it has not yet read of
// this one, as of a device that has come back after a loss. It reads a link in
// order, so that whatever it says to a twin request, it has the answers before.
func (l *Link) awaitRead(ctx context.Context) {
	if err := l.roundTrip(ctx); err != nil {
		l.log.Debug("renewing the token: the hub may not have read the last answers", zap.Error(err))
	}
}

// roundTrip asks for the twin, for the sake of when it comes.
func (l *Link) roundTrip(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return l.within(stopTimeout, func() error {
		_, err := l.ask(ctx, iothub.TwinGet, []byte(" "))
		return err
	})
}

// stopMethods unsubscribes from methods, and waits until those that the hub had
// sent before have arrived. A method that comes later is not carried out, and
// the hub tells its sender so.
func (l *Link) stopMethods(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := l.within(stopTimeout, func() error {
		_, err := l.await(ctx, func() paho.Token { return l.client.Unsubscribe(iothub.MethodsFilter) })
		return err
	})
	if err != nil {
		return fmt.Errorf("hub at %s: unsubscribe from methods to renew the token: %w", l.set.server.Address, err)
	}
	// A hub may acknowledge while messages still wait in its buffers, and paho
	// takes acknowledgements and messages different ways. The answer to a twin
	// request, whatever it says, goes the way of the messages, behind them.
	if err := l.roundTrip(ctx); err != nil {
		l.log.Debug("renewing the token: the last methods may not have arrived", zap.Error(err))
	}
	return nil
}

// within gives do some time. If it takes longer it goes on until its context ends.
func (l *Link) within(limit time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-l.set.After(limit):
		return fmt.Errorf("no answer within %s", limit)
	}
}

// flush waits until all methods that were delivered are answered.
func (l *Link) flush(ctx context.Context, limit time.Duration) {
	select {
	case <-l.in.flushed:
		return
	case <-l.ended:
		return
	case <-l.set.After(limit):
	case <-ctx.Done():
		l.flush(context.WithoutCancel(ctx), endTimeout)
		return
	}
	l.log.Warn("the link is closed with methods that were not answered in time", zap.Int("methods", l.in.unanswered()))
}
