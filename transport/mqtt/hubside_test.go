package mqtt_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// A disabled device loses its link. It then tries to log in at long intervals. It must
// connect by itself after it is enabled again.
func TestDisabledDevice(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s")
	}
	t.Parallel()

	h := startHub(t)
	core, logs := observer.New(zapcore.WarnLevel)
	g := startGateway(t, h, "disabled", h.at.MQTT.String(), func(o *mqtt.Options) {
		o.Logger, o.Rand = zap.New(core), func() float64 { return 0 }
	})
	g.nextLink()
	if err := g.converged(t.Context(), "before", 0); err != nil {
		t.Fatal(err)
	}

	set := func(status iothub.DeviceStatus) {
		t.Helper()
		identity, err := h.Device(t.Context(), g.id)
		if err != nil {
			t.Fatal(err)
		}
		identity.Status = status
		if _, err := h.UpdateDevice(t.Context(), identity, ""); err != nil {
			t.Fatal(err)
		}
	}

	set(iothub.Disabled)
	g.noLink()
	began := time.Now()
	set(iothub.Enabled)
	g.nextLink()
	waited := time.Since(began)
	if err := g.converged(t.Context(), "after", 1_000_000); err != nil {
		t.Error(err)
	}

	g.check(nil)
	failures := logs.FilterMessage("not connected to the hub").Len()
	t.Logf("%d failures, back after %s", failures, waited.Round(time.Second))
	if failures > 3 { // the lost link, and up to two refused logins
		t.Errorf("%d attempts in %s are too many", failures, waited)
	}
}

// After a restart of the hub, its devices must connect again and must not execute old
// methods.
func TestHubIsRestarted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()

	h := startHub(t)
	g := startGateway(t, h, "restarted", h.at.MQTT.String(), nil)
	g.nextLink()
	if err := g.converged(t.Context(), "before", 0); err != nil {
		t.Fatal(err)
	}
	h.stop()
	h.CloseIdleConnections()
	g.noLink()

	h.run(h.at.MQTT.String(), h.at.HTTPS.String())
	g.nextLink()
	if err := g.converged(t.Context(), "after", 1_000_000); err != nil {
		t.Error(err)
	}
	g.check(nil)
}

// Two gateways that use the same identity disconnect each other. They must notice this
// and stop.
func TestTwoGatewaysOfOneIdentity(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()

	h := startHub(t)
	core, logs := observer.New(zapcore.WarnLevel)
	var same mqtt.Options

	one := startGateway(t, h, "twin", h.at.MQTT.String(), func(o *mqtt.Options) {
		o.Logger, o.Rand = zap.New(core), func() float64 { return 0 }
		same = *o
	})

	one.nextLink()
	other := startGateway(t, h, "other", h.at.MQTT.String(), func(o *mqtt.Options) { *o = same })
	other.nextLink()

	warned := func() error {
		if logs.FilterMessageSnippet("another client seems to log in as this device").Len() == 0 {
			return errors.New("no gateway warns about another client")
		}
		return nil
	}

	if err := eventually(t.Context(), warned); err != nil {
		t.Fatal(err)
	}
	links := one.all.Load() + other.all.Load()
	time.Sleep(3 * time.Second) // shorter than the wait after a refusal, which is at least 10 s
	if now := one.all.Load() + other.all.Load(); now > links+1 {
		t.Errorf("%d more links within 3 s", now-links)
	}

	t.Logf("%d links until a gateway warned", links)
}
