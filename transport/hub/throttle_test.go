package hub

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// TestThrottledDevices empties each bucket of tier S1 that devices use until only one
// more operation is allowed. It does the operation twice, and the second must be
// refused.
func TestThrottledDevices(t *testing.T) {
	t.Parallel()

	ctx := t.Context()
	db, err := store.Open(filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d, err := db.CreateDevice(ctx, iothub.DeviceIdentity{DeviceID: "d1"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := iothub.ParseKey(d.Authentication.SymmetricKey.PrimaryKey)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	login := broker.Login{User: iothub.UserName{HostName: "hub.test", DeviceID: "d1"}, ClientID: "d1",
		Password: iothub.Sign(iothub.DeviceResource("hub.test", "d1", ""), key, "", now.Add(time.Hour))}
	stranger := login
	stranger.Password = iothub.Sign(iothub.DeviceResource("hub.test", "d1", ""), iothub.NewKey(), "", now.Add(time.Hour))
	limits, err := newThrottle(Options{Tier: "S1", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{access: access.Checker{HostName: "hub.test"}, store: db, now: func() time.Time { return now },
		log: zap.NewNop(), metrics: newMetrics(now), throttle: limits, feed: feed.New(time.Now)}
	for name, test := range map[string]struct {
		kind throttle.Kind
		used int
		do   func() error
	}{
		"login": {throttle.Connections, 5999, func() error {
			if _, err := b.Login(ctx, stranger); errors.Is(err, &iothub.Error{Code: iothub.CodeThrottling}) {
				t.Error("a refused login counts against the limit")
			}
			_, err := b.Login(ctx, login)
			return err
		}},
		"twin":   {throttle.TwinReads, 5999, func() error { _, err := b.Twin(ctx, "d1"); return err }},
		"report": {throttle.TwinUpdates, 2999, func() error { _, err := b.Report(ctx, "d1", iothub.Object{"a": true}, 0); return err }},
	} {
		if err := limits.Take(test.kind, test.used); err != nil {
			t.Fatal(err)
		}
		if err := test.do(); err != nil {
			t.Errorf("%s within the limit: %v", name, err)
		}
		if err := test.do(); !errors.Is(err, &iothub.Error{Code: iothub.CodeThrottling}) {
			t.Errorf("%s above the limit: %v", name, err)
		}
	}

	// A message above the limit must wait. In this test it waits for 10 ms of real time.
	if err := limits.Take(throttle.Events, 6000); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := b.Event(ctx, "d1", nil, nil); err != nil || time.Since(begun) < 10*time.Millisecond {
		t.Errorf("a message above the limit waited for %v, %v", time.Since(begun), err)
	}
	for range 999 {
		if _, err := limits.Delay(throttle.Events); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Event(ctx, "d1", nil, nil); !errors.Is(err, &iothub.Error{Code: iothub.CodeThrottling}) {
		t.Errorf("a message that must wait for too long: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()

	now := func() time.Time { return time.Unix(0, 0) }
	for name, test := range map[string]struct {
		opts Options
		want bool
	}{
		"none":               {Options{}, true},
		"S1":                 {Options{Tier: "S1"}, true},
		"S3 with units":      {Options{Tier: "s3", Units: 10}, true},
		"units alone":        {Options{Units: 1}, false},
		"too many units":     {Options{Tier: "S3", Units: 11}, false},
		"fewer than no unit": {Options{Tier: "S3", Units: -1}, false},
		"no tier":            {Options{Tier: "B1"}, false},
	} {
		test.opts.Now = now
		limits, err := newThrottle(test.opts)
		if (err == nil) != test.want || (limits != nil) != (test.want && test.opts.Tier != "") {
			t.Errorf("%s: %v, %v", name, limits, err)
		}
	}
}
