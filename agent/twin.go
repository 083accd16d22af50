package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// maxTwinPause is the maximum delay before the agent repeats a failed request for the
// twin. The agent keeps the connection meanwhile, because the door's methods need it.
const maxTwinPause = time.Minute

// reportDelay is the time from a change of the lock to its report. A command changes the
// lock's status several times within it: one report then tells the final status. A bolt
// that moves for longer is reported as moving.
const reportDelay = 150 * time.Millisecond

// refusedPause is the time from a permanent refusal of a property to its next report. The
// hub may have been wrong, or the twin may have room again.
const refusedPause = 10 * time.Minute

// twinSync keeps a copy of the twin during one connection to the hub. No failure of a
// request ends it: it repeats the request, and shows the failure in the agent's status.
type twinSync struct {
	*Agent
	link Link

	desired       iothub.Object // desired properties, with all patches received so far
	desiredKnown  bool          // whether desired is up to date
	reported      iothub.Object // reported properties that the hub has
	reportedKnown bool          // whether reported is up to date
	refused       refusals      // parts of the report that the hub has refused permanently

	retry  <-chan time.Time // fires when the next request is due; nil if no retry is planned
	settle <-chan time.Time // fires when reportDelay is over; nil if the lock has not changed
	again  <-chan time.Time // fires when refusedPause is over; nil if no property is refused
	repeat bool             // the next report includes the refused properties
}

// syncTwin reads the twin, applies the desired properties and keeps the reported
// properties up to date until ctx ends.
func (a *Agent) syncTwin(ctx context.Context, link Link) {
	t := &twinSync{Agent: a, link: link, refused: refusals{}, retry: a.twin.pause()}
	defer a.trouble.Store(nil)
	for ctx.Err() == nil {
		if t.retry == nil && (t.settle == nil || !t.desiredKnown) {
			t.sync(ctx)
		}

		select {
		case change := <-link.Desired():
			t.onDesired(ctx, change)
			t.settle = nil // the agent acknowledges the change now
		case <-a.lock.Changed():
			if t.settle == nil {
				t.settle = time.After(reportDelay)
			}
		case <-t.settle:
			t.settle = nil
		case <-a.reportChanged:
		case <-t.retry:
			t.retry = nil
		case <-t.again:
			t.again, t.repeat = nil, true
		case <-ctx.Done():
		}
	}
}

// sync reads the twin if the agent's copy is out of date. It then reports the
// properties that differ from the twin. If a request fails, sync schedules a retry.
func (t *twinSync) sync(ctx context.Context) {
	err := t.fetch(ctx)
	if err == nil {
		err = t.report(ctx)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return // the agent is closing the link
	case ctx.Err() != nil && err != nil:
		t.twin.failed(0) // the hub may have closed the link because of the request
		return
	}

	t.trouble.Store(newTrouble(err, t.refused))
	if len(t.refused) > 0 && t.again == nil {
		t.again = time.After(refusedPause)
	}
	if err == nil {
		if failures := t.twin.succeeded(); failures > 0 {
			t.config.Log.Info("the device twin is up to date again", zap.Int("failures", failures))
		}
		return
	}

	var asked time.Duration
	if refusal, ok := errors.AsType[*iothub.Error](err); ok {
		asked = refusal.RetryAfter
	}
	failures, delay := t.twin.failed(asked)
	if failures == 1 {
		t.config.Log.Warn("cannot bring the device twin up to date; the agent will try again", zap.Error(err), zap.Duration("retry_in", delay))
	}
	t.retry = t.twin.pause()
}

// fetch reads the whole twin if the agent's copy is out of date.
func (t *twinSync) fetch(ctx context.Context) error {
	if t.desiredKnown && t.reportedKnown {
		return nil
	}

	knew := t.desiredKnown
	var twin iothub.DeviceTwin
	err := t.request(ctx, func() (err error) {
		twin, err = t.link.Twin(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}

	t.reported, t.reportedKnown = twin.Reported, true
	switch {
	case knew && !t.desiredKnown: // the answer may be older than the change that was lost meanwhile
	case knew && twin.Desired.Version() < t.desired.Version(): // the answer is older than a change that arrived meanwhile
	default:
		t.desired, t.desiredKnown = twin.Desired, true
		t.apply(ctx)
	}
	return nil
}

// request runs a request to the hub. If the agent knows the desired properties, request
// applies changes that arrive meanwhile: a hub that does not answer must not delay a
// lockdown.
func (t *twinSync) request(ctx context.Context, do func() error) error {
	answer := make(chan error, 1)
	go func() { answer <- do() }()

	for {
		var changes <-chan iothub.Object
		if t.desiredKnown {
			changes = t.link.Desired()
		}

		select {
		case err := <-answer:
			return err
		case change := <-changes:
			t.onDesired(ctx, change)
			t.notify() // for the acknowledgement, or to read the twin
		}
	}
}

// onDesired applies a change of the desired properties, and all further changes that
// are already queued. If a change was unreadable (nil) or lost (a version is missing),
// the agent's copy of the desired properties is out of date, and sync reads the twin.
func (t *twinSync) onDesired(ctx context.Context, change iothub.Object) {
	for {
		have, version := t.desired.Version(), change.Version()
		switch {
		case change == nil, version > have+1:
			t.desiredKnown = false
		case version == have+1:
			t.desired = t.desired.Merge(change)
		}

		select {
		case change = <-t.link.Desired():
			continue
		default:
		}

		if t.desiredKnown {
			t.apply(ctx)
		}
		return
	}
}

// apply applies the desired properties. It waits until new accepted values are on disk,
// so that a value survives a restart once it is acknowledged.
func (t *twinSync) apply(ctx context.Context) {
	previous := t.state.Get().Accepted
	result := t.applyDesired(t.desired)
	if len(patch(previous, result.accepted)) == 0 {
		return
	}

	saved := make(chan error, 1)
	t.state.Update(func(s *State) { s.Accepted = result.accepted }, func(err error) { saved <- err })
	select {
	case err := <-saved:
		if err != nil {
			t.config.Log.Error("the new settings are in force but not on disk; a restart may lose them", zap.Error(err))
		}
	case <-ctx.Done():
	}
}
