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

// The minimum and maximum delay before the agent retries a request that the hub refused
// for a temporary reason. The agent keeps the connection meanwhile, because the door's
// methods need it.
const (
	minRetryDelay = 5 * time.Second
	maxRetryDelay = 5 * time.Minute
)

// twinSync keeps a copy of the twin during one connection to the hub.
type twinSync struct {
	*Agent
	link     Link
	fetched  bool          // whether desired and reported are up to date
	desired  iothub.Object // desired properties, with all patches received so far
	reported iothub.Object // reported properties that the hub has

	failures int              // number of consecutive temporary refusals by the hub
	retry    <-chan time.Time // fires when the next request is due; nil if no retry is planned
}

// syncTwin reads the twin, applies the desired properties and keeps the reported
// properties up to date until ctx ends. It returns nil when ctx ends.
func (a *Agent) syncTwin(ctx context.Context, link Link) error {
	t := &twinSync{Agent: a, link: link}
	err := t.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (t *twinSync) run(ctx context.Context) error {
	for {
		if t.retry == nil {
			if err := t.sync(ctx); err != nil {
				return err
			}
		}

		select {
		case change := <-t.link.Desired():
			if err := t.onDesired(ctx, change); err != nil {
				return err
			}
		case <-t.lock.Changed():
		case <-t.reportChanged:
		case <-t.retry:
			t.retry = nil
		case <-ctx.Done():
			return nil
		}
	}
}

// sync reads the twin if the agent's copy is out of date. It then reports the
// properties that differ from the twin. If the hub refuses for a temporary reason, sync
// schedules a retry.
func (t *twinSync) sync(ctx context.Context) error {
	err := t.fetch(ctx)
	if err == nil {
		err = t.report(ctx)
	}

	refusal, refused := errors.AsType[*iothub.Error](err)
	if !refused || !isTemporary(refusal) {
		t.failures = 0
		return err
	}

	delay := t.retryDelay(t.failures)
	t.failures++
	t.retry = time.After(max(delay, refusal.RetryAfter))
	return nil
}

// fetch reads the whole twin if the agent's copy is out of date.
func (t *twinSync) fetch(ctx context.Context) error {
	if t.fetched {
		return nil
	}

	twin, err := t.link.Twin(ctx)
	if err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}

	t.fetched = true
	t.desired, t.reported = twin.Desired, twin.Reported
	return t.apply(ctx)
}

// onDesired applies a change of the desired properties, and all further changes that
// are already queued. If a change was lost (a version is missing), onDesired marks the
// agent's copy of the twin as out of date, so that sync reads the whole twin.
func (t *twinSync) onDesired(ctx context.Context, change iothub.Object) error {
	for {
		version := change.Version()
		switch have := t.desired.Version(); {
		case version == have+1:
			t.desired = t.desired.Merge(change)
		case version > have+1: // at least one change was lost
			t.fetched = false
		}

		select {
		case change = <-t.link.Desired():
			continue
		default:
		}

		if !t.fetched {
			return nil
		}
		return t.apply(ctx)
	}
}

// apply applies the desired properties. It waits until new accepted values are on disk,
// so that a value survives a restart once it is acknowledged.
func (t *twinSync) apply(ctx context.Context) error {
	previous := t.state.Get().Accepted
	result := t.applyDesired(t.desired)
	if len(patch(normalize(previous), normalize(result.accepted))) == 0 {
		return nil
	}

	saved := make(chan error, 1)
	t.state.Update(func(s *State) { s.Accepted = result.accepted }, func(err error) { saved <- err })
	select {
	case err := <-saved:
		if err != nil {
			t.config.Log.Error("the new settings are in force but not on disk; a restart may lose them", zap.Error(err))
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report sends the smallest patch that updates the hub's reported properties.
func (t *twinSync) report(ctx context.Context) error {
	change := difference(t.reported, t.Agent.reported())
	if len(change) == 0 {
		return nil
	}

	_, err := t.link.Report(ctx, change)
	if err == nil {
		t.reported = t.reported.Merge(change)
		return nil
	}
	if refusal, ok := errors.AsType[*iothub.Error](err); ok && !isTemporary(refusal) {
		// Do not retry: the hub would refuse the same patch again. The next change
		// makes a different patch.
		t.config.Log.Error("the hub refused the reported properties", zap.Error(refusal))
		return nil
	}
	return fmt.Errorf("report properties: %w", err)
}

// retryDelay returns the delay before the next retry, after the given number of earlier
// failures. The delay grows exponentially. Half of it is random, so that many devices
// do not retry at the same moment.
func (a *Agent) retryDelay(failures int) time.Duration {
	delay := min(minRetryDelay<<min(failures, 10), maxRetryDelay)
	return delay/2 + time.Duration(a.config.random()*float64(delay/2))
}

// isTemporary reports whether the hub may accept the same request later.
func isTemporary(refusal *iothub.Error) bool {
	return refusal.Status == http.StatusTooManyRequests || refusal.Status >= 500
}
