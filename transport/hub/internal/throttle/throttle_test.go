package throttle_test

import (
	"errors"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// clock is a simulated clock, which only a test advances.
type clock struct{ now time.Time }

func (c *clock) read() time.Time         { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

func start(t *testing.T, tier string, units int) (*throttle.Throttle, *clock) {
	t.Helper()
	limits, err := iothub.ParseTier(tier)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return throttle.New(limits, units, c.read), c
}

// TestRates checks that a full bucket allows one minute's worth of operations at once.
// In the following ten minutes it must allow ten minutes' worth.
func TestRates(t *testing.T) {
	t.Parallel()

	const S1, S2, S3, F1 = "S1", "S2", "S3", "F1"
	for _, test := range []struct {
		tier   string
		units  int
		kind   throttle.Kind
		minute int // limit per minute in IoT Hub's documentation
	}{
		{F1, 1, throttle.Registry, 100},
		{S1, 1, throttle.Registry, 100},
		{S1, 3, throttle.Registry, 300},
		{S2, 1, throttle.Registry, 100},
		{S3, 2, throttle.Registry, 10000},
		{S1, 1, throttle.Connections, 100 * 60},
		{S1, 2, throttle.Connections, 100 * 60},
		{S1, 9, throttle.Connections, 108 * 60},
		{S2, 2, throttle.Connections, 240 * 60},
		{S3, 1, throttle.Connections, 6000 * 60},
		{S1, 9, throttle.Events, 108 * 60},
		{S1, 1, throttle.Queries, 20},
		{S2, 2, throttle.Queries, 40},
		{S3, 1, throttle.Queries, 1000},
		{S1, 1, throttle.Methods, 40 * 60},
		{S2, 1, throttle.Methods, 120 * 60},
		{S3, 1, throttle.Methods, 6000 * 60},
		{S1, 5, throttle.TwinReads, 100 * 60},
		{S2, 20, throttle.TwinReads, 200 * 60},
		{S3, 1, throttle.TwinReads, 500 * 60},
		{S1, 5, throttle.TwinUpdates, 50 * 60},
		{S2, 5, throttle.TwinUpdates, 50 * 60},
		{S2, 20, throttle.TwinUpdates, 100 * 60},
		{S3, 1, throttle.TwinUpdates, 250 * 60},
		{S1, 1, throttle.JobOperations, 100},
		{S3, 1, throttle.JobOperations, 5000},
	} {
		th, c := start(t, test.tier, test.units)
		drain := func() int {
			n := th.TakeSome(test.kind, 1e9)
			if th.Take(test.kind, 1) == nil {
				t.Fatalf("%s: kind %d: an operation beyond the limit is allowed", test.tier, test.kind)
			}
			return n
		}
		if n := drain(); n != test.minute {
			t.Errorf("%s with %d units: a full bucket allows %d of kind %d, want %d", test.tier, test.units, n, test.kind, test.minute)
		}
		n := 0
		for range 600 {
			c.advance(time.Second)
			n += drain()
		}
		if n < 10*test.minute-1 || n > 10*test.minute {
			t.Errorf("%s with %d units: %d of kind %d in ten minutes, want %d", test.tier, test.units, n, test.kind, 10*test.minute)
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()

	th, c := start(t, "S1", 1)
	if err := th.Take(throttle.Registry, 50); err != nil {
		t.Fatal(err)
	}
	if err := th.Take(throttle.Registry, 50); err != nil {
		t.Fatal(err)
	}
	// IoT Hub's documentation has this example: two bulk changes of 50 devices per
	// minute.
	err := th.Take(throttle.Registry, 50)
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok || refusal.Status != 429 || refusal.Code.Number() != 429001 || refusal.RetryAfter != 30*time.Second ||
		refusal.Message != "a hub of tier S1 with 1 unit allows 100 identity operations a minute: try again in 30 s" {
		t.Errorf("refused with %#v", err)
	}
	c.advance(30*time.Second - 1)
	if th.Take(throttle.Registry, 50) == nil {
		t.Error("allowed before the announced time")
	}
	c.advance(1)
	if err := th.Take(throttle.Registry, 50); err != nil {
		t.Errorf("refused at the announced time: %v", err)
	}
	c.advance(-time.Hour)
	if th.Take(throttle.Registry, 1) == nil {
		t.Error("setting the clock back has filled the bucket")
	}
	c.advance(time.Hour)
	if err := th.Take(throttle.Registry, 1000); err != nil {
		t.Errorf("a full bucket refuses a request for more than its size: %v", err)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()

	th, c := start(t, "S1", 1)
	for range 6000 {
		if wait, err := th.Delay(throttle.Events); wait != 0 || err != nil {
			t.Fatalf("within the bucket's size: %v, %v", wait, err)
		}
	}
	for i := range 1000 {
		wait, err := th.Delay(throttle.Events)
		if want := time.Duration(i+1) * 10 * time.Millisecond; err != nil || wait < want || wait > want+time.Microsecond {
			t.Fatalf("message %d over the rate is delayed by %v, %v, want %v", i+1, wait, err, want)
		}
	}
	if _, err := th.Delay(throttle.Events); !errors.Is(err, &iothub.Error{Code: iothub.CodeThrottling}) {
		t.Errorf("a message that must wait for more than 10 s: %v", err)
	}
	c.advance(5 * time.Second)
	if wait, err := th.Delay(throttle.Events); err != nil || wait < 5*time.Second || wait > 6*time.Second {
		t.Errorf("5 s later a message is delayed by %v, %v", wait, err)
	}
}

func TestJobsArePacedFromTheBeginning(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		tier             string
		units, perSecond int
		active           int
	}{
		{"F1", 1, 10, 1}, {"S1", 1, 10, 1}, {"S1", 50, 10, 1}, {"S2", 1, 10, 5}, {"S2", 20, 20, 5}, {"S3", 1, 50, 10}, {"S3", 2, 100, 10},
	} {
		th, c := start(t, test.tier, test.units)
		n := th.TakeSome(throttle.JobDevices, 100000)
		for range 100 {
			c.advance(th.Until(throttle.JobDevices))
			if some := th.TakeSome(throttle.JobDevices, 1); some != 1 {
				t.Fatalf("%s: no operation is allowed at the time that Until returned", test.tier)
			}
		}
		passed := c.now.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()
		if n != test.perSecond || passed < 99/float64(test.perSecond) || passed > 101/float64(test.perSecond) {
			t.Errorf("%s with %d units: %d at once, then 100 in %v s, want %d a second", test.tier, test.units, n, passed, test.perSecond)
		}
		if th.ActiveJobs() != test.active {
			t.Errorf("%s: %d active jobs, want %d", test.tier, th.ActiveJobs(), test.active)
		}
	}
}

func TestNoThrottle(t *testing.T) {
	t.Parallel()

	var none *throttle.Throttle
	wait, err := none.Delay(throttle.Events)
	if none.Take(throttle.Registry, 1e9) != nil || wait != 0 || err != nil ||
		none.TakeSome(throttle.JobDevices, 1e9) != 1e9 || none.Until(throttle.JobDevices) != 0 || none.ActiveJobs() != 0 {
		t.Error("a nil Throttle limits something")
	}
}
