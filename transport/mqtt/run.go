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
	// flushTimeout is how long unanswered methods may delay a renewal.
	flushTimeout = 30 * time.Second
	// endTimeout is how long unanswered methods may delay the end of Run. A bolt takes
	// at most 4 s.
	endTimeout = 5 * time.Second
	// stepTimeout limits each request to the hub during a renewal.
	stepTimeout = 10 * time.Second
)

// Run keeps the device connected until ctx ends. It calls serve once for each link. Run
// returns nil when ctx has ended, and returns an error only for options that cannot
// work.
//
// The context of serve ends when the link is lost or closed. Serve must return soon
// after that, because Run does not connect again before. If serve returns earlier, Run
// closes the link and connects again. When ctx ends, the link delivers no more methods,
// and the device has 5 s to answer the delivered ones before serve's context ends.
//
// After a failure, Run waits for a random time before it tries again. The longest wait
// doubles with each consecutive failure, up to 60 s:
//   - After the connection broke or could not be opened: 0 to 1 s at first.
//   - After the hub had no capacity or no server had its name: 5 to 10 s at first.
//   - After a refused login, or when another client seems to use the same identity:
//     10 to 20 s at first.
//
// A link that lasted for 60 s or until its renewal resets the wait. After a renewal,
// Run connects again at once.
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
	linked   bool          // the attempt led to a link
	duration time.Duration // how long the link lasted
	renewed  bool          // the link ended to renew its token
	err      error         // why the link ended or could not be opened; nil after a renewal
}

// attempt asks for the device if it has to be located, connects and serves the link
// until it ends.
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

// locate returns the settings for the device that must log in now.
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

// serve calls the serve function and closes the link when the function returns, the
// link is lost, its token must be renewed, or ctx ends.
func (l *Link) serve(ctx context.Context, serve func(context.Context, *Link) error) attemptResult {
	// The context of serve outlives ctx, so that the device can answer its methods.
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
			<-l.ended // the link was lost, and serve noticed it first
		}
		if err == nil {
			err = errors.New("it ended without an error")
		}
		result.err = fmt.Errorf("the device gave up the link: %w", err)
	}

	if reason := l.endedError(); reason != nil {
		result.err, result.renewed = reason, false
	}
	l.close(ErrLinkEnded)
	return result
}

// prepareRenewal brings the link to a state in which it can be closed without loss: no
// more methods arrive, and all methods that arrived have answers. Its error means that
// the hub did not confirm this. The link can be closed all the same.
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

// awaitRead waits until the hub has read the answers. It is not enough that they are
// written: a hub may see the next link first and drop whatever it has not yet read from
// this one. A hub reads a link in order. Once it answers a twin request, it has read
// everything that the device sent before the request.
func (l *Link) awaitRead(ctx context.Context) {
	if err := l.roundTrip(ctx); err != nil {
		l.log.Debug("renewing the token: the hub may not have read the last answers", zap.Error(err))
	}
}

// roundTrip reads the twin and ignores its content. It returns once everything that the
// device and the hub sent before has arrived.
func (l *Link) roundTrip(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	return l.within(stepTimeout, func() error {
		_, err := l.askTwin(ctx, iothub.TwinGet, []byte(" "))
		return err
	})
}

// stopMethods unsubscribes from methods and waits until the methods that the hub had
// sent before have arrived. A method that arrives later is ignored, and the hub reports
// that to its sender.
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

	// The acknowledgement can overtake methods, both in the hub's buffers and in paho.
	// The answer to a twin request cannot, because it is a message too.
	if err := l.roundTrip(ctx); err != nil {
		l.log.Debug("renewing the token: the last methods may not have arrived", zap.Error(err))
	}
	return nil
}

// within runs do and returns its error, or an error if do takes longer than limit. In
// that case do goes on in its goroutine.
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

// flush waits until all delivered methods have answers, but at most limit. If ctx ends,
// it waits for at most endTimeout more.
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
