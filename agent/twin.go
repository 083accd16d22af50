package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// A hub that has no time for the twin now is asked again after a while, on the
// same link: a door that takes methods is not to be cut off for its twin.
const (
	firstRetry   = 5 * time.Second
	longestRetry = 5 * time.Minute
)

// twinKeeper holds one link's view of the twin.
type twinKeeper struct {
	*Agent
	link     Link
	fetched  bool          // what follows is the hub's
	desired  iothub.Object // as far as patches have come
	reported iothub.Object // as the hub has it

	refusals int              // in a row, for want of time
	retry    <-chan time.Time // not nil: the hub is left alone until then
}

// keepTwin reads the twin, applies what is desired and keeps what is reported
// true until ctx ends, which is no error.
func (a *Agent) keepTwin(ctx context.Context, link Link) error {
	k := &twinKeeper{Agent: a, link: link}
	err := k.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (k *twinKeeper) run(ctx context.Context) error {
	for {
		if k.retry == nil {
			if err := k.sync(ctx); err != nil {
				return err
			}
		}
		select {
		case change := <-k.link.Desired():
			if err := k.onDesired(ctx, change); err != nil {
				return err
			}
		case <-k.lock.Changed():
		case <-k.changed:
		case <-k.retry:
			k.retry = nil
		case <-ctx.Done():
			return nil
		}
	}
}

// sync reads the twin if that has to be done, and reports what differs.
func (k *twinKeeper) sync(ctx context.Context) error {
	err := k.fetch(ctx)
	if err == nil {
		err = k.report(ctx)
	}
	refusal, refused := errors.AsType[*iothub.Error](err)
	if !refused || !later(refusal) {
		k.refusals = 0
		return err
	}
	// Half of it is chance: a fleet that was refused together does not come back together.
	wait := min(firstRetry<<min(k.refusals, 10), longestRetry)
	wait = wait/2 + time.Duration(k.config.random()*float64(wait/2))
	k.refusals++
	k.retry = time.After(max(wait, refusal.RetryAfter))
	return nil
}

// fetch reads the whole twin, unless patches have kept it whole.
func (k *twinKeeper) fetch(ctx context.Context) error {
	if k.fetched {
		return nil
	}
	twin, err := k.link.Twin(ctx)
	if err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}
	k.fetched, k.desired, k.reported = true, twin.Desired, twin.Reported
	return k.applyDesired(ctx)
}

// onDesired takes a change and all that have come behind it.
func (k *twinKeeper) onDesired(ctx context.Context, change iothub.Object) error {
	for {
		version := change.Version()
		switch have := k.desired.Version(); {
		case version == have+1:
			k.desired = k.desired.Merge(change)
		case version > have+1: // one was lost
			k.fetched = false
		}
		select {
		case change = <-k.link.Desired():
			continue
		default:
		}
		if !k.fetched {
			return nil // it is all in the twin, which will be read
		}
		return k.applyDesired(ctx)
	}
}

// applyDesired puts the desired properties in force and, if they changed what
// is, on disk: what is acknowledged will be in force after a restart too.
func (k *twinKeeper) applyDesired(ctx context.Context) error {
	before := k.state.Get().Accepted
	result := k.putInForce(k.desired)
	if len(patch(plain(before), plain(result.accepted))) == 0 {
		return nil
	}
	saved := make(chan error, 1)
	k.state.Update(func(s *State) { s.Accepted = result.accepted }, func(err error) { saved <- err })
	select {
	case err := <-saved:
		if err != nil {
			k.config.Log.Error("the settings are in force, but not on disk", zap.Error(err))
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report sends what differs.
func (k *twinKeeper) report(ctx context.Context) error {
	change := difference(k.reported, k.Agent.reported())
	if len(change) == 0 {
		return nil
	}
	_, err := k.link.Report(ctx, change)
	if err == nil {
		k.reported = k.reported.Merge(change)
		return nil
	}
	if refusal, ok := errors.AsType[*iothub.Error](err); ok && !later(refusal) {
		// Sending it again would be refused again; the next change is another patch.
		k.config.Log.Error("the hub refused the reported properties", zap.Error(refusal))
		return nil
	}
	return fmt.Errorf("report properties: %w", err)
}

// later reports whether the hub may well take tomorrow what it refused now.
func later(refusal *iothub.Error) bool {
	return refusal.Status == http.StatusTooManyRequests || refusal.Status >= 500
}
