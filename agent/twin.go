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

// retryAfter is how long the agent waits after a report that the hub could not
// take now.
const retryAfter = 5 * time.Second

// twinKeeper holds one link's view of the twin.
type twinKeeper struct {
	*Agent
	link     Link
	desired  iothub.Object // as far as patches have come
	reported iothub.Object // as the hub has it
	hold     time.Time     // no report before this
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
	if err := k.fetch(ctx); err != nil {
		return err
	}
	for {
		wait, err := k.report(ctx)
		if err != nil {
			return err
		}
		var retry <-chan time.Time
		if wait > 0 {
			retry = time.After(wait)
		}
		select {
		case change, ok := <-k.link.Desired():
			if !ok {
				<-ctx.Done()
				return nil
			}
			if err := k.onDesired(ctx, change); err != nil {
				return err
			}
		case <-k.lock.Changed():
		case <-k.changed:
		case <-retry:
		case <-ctx.Done():
			return nil
		}
	}
}

// fetch reads the whole twin.
func (k *twinKeeper) fetch(ctx context.Context) error {
	twin, err := k.link.Twin(ctx)
	if err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}
	k.desired, k.reported = twin.Desired, twin.Reported
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
			return k.fetch(ctx)
		}
		select {
		case next, ok := <-k.link.Desired():
			if !ok {
				return k.applyDesired(ctx)
			}
			change = next
		default:
			return k.applyDesired(ctx)
		}
	}
}

// applyDesired puts the desired properties in force and, if they changed what
// is, on disk: what is acknowledged will be in force after a restart too.
func (k *twinKeeper) applyDesired(ctx context.Context) error {
	before := k.state.Get().Accepted
	result := apply(k.config.Defaults, before, k.desired)
	k.Agent.desired.Store(&result)
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

// report sends what differs. wait is not 0 if the hub cannot take it now.
func (k *twinKeeper) report(ctx context.Context) (wait time.Duration, err error) {
	now := k.config.Now()
	if wait := k.hold.Sub(now); wait > 0 {
		return wait, nil
	}
	change := difference(k.reported, k.Agent.reported())
	if len(change) == 0 {
		return 0, nil
	}
	_, err = k.link.Report(ctx, change)
	refusal, refused := errors.AsType[*iothub.Error](err)
	switch {
	case err == nil:
		k.reported = k.reported.Merge(change)
		return 0, nil
	case !refused:
		return 0, fmt.Errorf("report properties: %w", err)
	case refusal.Status == http.StatusTooManyRequests || refusal.Status >= 500:
		wait = max(retryAfter, refusal.RetryAfter)
		k.hold = now.Add(wait)
		return wait, nil
	}
	// Sending it again would be refused again; the next change is another patch.
	k.config.Log.Error("the hub refused the reported properties", zap.Error(refusal))
	return 0, nil
}
