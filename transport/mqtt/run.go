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
	// flushTimeout is how long Run waits for answers to delivered methods before it
	// renews the link.
	flushTimeout = 30 * time.Second
	// endTimeout is how long Run waits for answers to delivered methods before it ends.
	// A door's bolt needs at most 4 s to move.
	endTimeout = 5 * time.Second
	// stepTimeout limits each request to the hub during a renewal.
	stepTimeout = 10 * time.Second
)

// Run keeps the device connected until ctx ends. It calls serve once for each link. Run
// returns nil when ctx has ended. It returns an error only if the options are invalid.
//
// The context of serve ends when the link is lost or closed. Serve must then return
// soon, because Run connects again only after serve has returned. If serve returns
// earlier, Run closes the link and connects again. When ctx ends, the link delivers no
// more methods. The device then has 5 s to answer the delivered methods before the
// context of serve ends.
//
// After a failure, Run waits for a random time before it tries again. The longest wait
// doubles with each consecutive failure, up to 60 s:
//   - After the connection broke or could not be opened: 0 to 1 s at first.
//   - After the hub had no capacity or no server had its name: 5 to 10 s at first.
//   - After a refused login, or when another client seems to use the same identity: 10
//     to 20 s at first.
//
// The wait becomes short again after a link that lasted for 60 s or until its renewal.
// After a renewal, Run connects again at once.
func Run(ctx context.Context, opts Options, serve func(ctx context.Context, link *Link) error) error {
	s, err := opts.check()
	if err == nil && opts.Locate == nil {
		_, err = s.forDevice(opts.Device)
	}
	if err != nil {
		return err
	}

	var h history
	for ctx.Err() == nil {
		result := s.attempt(ctx, h, serve)
		if ctx.Err() != nil {
			break
		}

		var delay time.Duration
		h, delay = h.after(result, s.Rand())
		if result.renewed {
			continue
		}
		if h.contested() {
			s.Logger.Warn("the hub repeatedly closes the link soon after the login: another client seems to log in as this device",
				zap.Int("times", h.closings))
		}
		s.Failed(result.err)
		s.Logger.Warn("not connected to the hub", zap.Error(result.err), zap.Duration("retry_in", delay.Round(time.Millisecond)))

		select {
		case <-s.After(delay):
		case <-ctx.Done():
		}
	}

	return nil
}

// attemptResult says how an attempt to connect ended.
type attemptResult struct {
	linked   bool          // the attempt opened a link
	duration time.Duration // how long the link lasted
	renewed  bool          // the link was closed to renew its token
	err      error         // why the link ended or could not be opened; nil after a renewal
}

// attempt makes one attempt to connect. It asks Locate for the device if necessary,
// connects, and serves the link until the link ends.
func (s settings) attempt(ctx context.Context, previous history, serve func(context.Context, *Link) error) attemptResult {
	located, err := s.locate(ctx, previous.refusals)
	if err != nil {
		return attemptResult{err: err}
	}

	link, err := located.connect(ctx, previous.lastError)
	if err != nil {
		return attemptResult{err: err}
	}

	start := s.Now()
	s.Logger.Info("connected to the hub", zap.String("address", located.server.Address), zap.String("device_id", located.Device.DeviceID))
	result := link.serve(ctx, serve)
	result.duration = s.Now().Sub(start)
	return result
}

// locate returns the settings of the device that logs in next. It calls Options.Locate
// if that function is set.
func (s settings) locate(ctx context.Context, refusals int) (*settings, error) {
	if s.Locate == nil {
		return s.forDevice(s.Device)
	}

	d, err := s.Locate(ctx, refusals)
	if err != nil {
		return nil, err
	}
	return s.forDevice(d)
}

// serve calls the function serve with the link. It closes the link when the function
// returns, the link is lost, its token must be renewed, or ctx ends.
func (l *Link) serve(ctx context.Context, serve func(context.Context, *Link) error) attemptResult {
	// The context of the function serve outlives ctx, so that the device can answer its
	// last methods.
	serveCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- serve(serveCtx, l) }()

	result := attemptResult{linked: true}
	select {
	case <-l.set.renewal():
		result.err = l.prepareRenewal(ctx)
		result.renewed = result.err == nil
		cancel()
		<-served
	case <-ctx.Done():
		l.in.close()
		l.flush(context.WithoutCancel(ctx), endTimeout)
		cancel()
		<-served
	case <-l.ended:
		cancel()
		<-served
	case err := <-served:
		if l.in.isClosed() {
			<-l.ended // serve returned because the link was lost; wait for the reason
		}
		if err == nil {
			err = errors.New("it returned without an error")
		}
		result.err = fmt.Errorf("the agent closed the link: %w", err)
	}

	if reason := l.endedError(); reason != nil {
		result.err, result.renewed = reason, false
	}
	l.close(ErrLinkEnded)
	return result
}

// prepareRenewal makes it safe to close the link. It stops new methods and waits until
// all methods that arrived have answers. It returns an error if the hub does not
// confirm that it will send no more methods. The caller may close the link even then.
func (l *Link) prepareRenewal(ctx context.Context) error {
	l.log.Debug("renewing the token")
	err := l.stopMethods(ctx)
	l.in.close()
	l.flush(ctx, flushTimeout)

	if err == nil {
		l.awaitRead(ctx)
	}
	return err
}

// awaitRead waits until the hub has read the last answers. Writing the answers is not
// enough: if the hub sees the next link first, it may drop unread data from the old
// link. A hub reads a link in order. Its answer to a twin request therefore proves that
// it has read everything before that request.
func (l *Link) awaitRead(ctx context.Context) {
	if err := l.roundTrip(ctx); err != nil {
		l.log.Debug("renewing the token: the hub may not have read the last answers", zap.Error(err))
	}
}

// roundTrip reads the twin and ignores its content. When roundTrip returns nil,
// everything that the device and the hub sent before has arrived.
func (l *Link) roundTrip(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	return l.within(stepTimeout, func() error {
		_, err := l.askTwin(ctx, iothub.TwinGet, []byte(" "))
		return err
	})
}

// stopMethods unsubscribes from direct methods. It then waits until the methods that
// the hub has already sent have arrived. The device ignores a method that arrives
// later, and the hub reports a timeout to the sender.
func (l *Link) stopMethods(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	err := l.within(stepTimeout, func() error {
		_, err := l.await(ctx, func() paho.Token { return l.client.Unsubscribe(iothub.MethodsFilter) })
		return err
	})
	if err != nil {
		return fmt.Errorf("hub at %s: unsubscribe from methods to renew the token: %w", l.set.server.Address, err)
	}

	// The hub's acknowledgement can overtake methods, both in the hub's buffers and in
	// paho. The answer to a twin request cannot overtake methods, because the hub sends
	// it as a message, like the methods.
	if err := l.roundTrip(ctx); err != nil {
		l.log.Debug("renewing the token: the last methods may not have arrived", zap.Error(err))
	}
	return nil
}

// within runs do and returns its error. If do takes longer than limit, within returns
// an error and leaves do running in its goroutine.
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

// flush waits until the device has answered all delivered methods, but at most for
// limit. If ctx ends, flush waits for at most endTimeout more.
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

	l.log.Warn("closing the link although methods have no answer yet", zap.Int("methods", l.in.countUnanswered()))
}
