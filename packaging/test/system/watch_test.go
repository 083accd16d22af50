package system

import (
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// The hub is killed and started again while latchctl watches a job. latchctl must
// report that the connection was lost and that it is back. latchctl's exit code must
// show the outcome of the job. A door whose answer was lost has not succeeded.
func TestWatchSurvivesAKilledHub(t *testing.T) {
	for _, test := range []struct {
		name string
		hold func(i int) bool // selects the devices that have not answered when the hub is killed; nil if the job has not started
		code int
	}{
		{"all answers but one are stored", func(i int) bool { return i == 0 }, 3},
		{"the job has not started", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			const devices = 4
			h := harness.StartHub(t, bin)
			args := []string{"job", "schedule", "method", "lockDoor", "--where", "*", "--id", jobID}
			var f *fleet
			if test.hold != nil {
				f = startFleet(t, h, devices, test.hold)
				h.Ctl(t, args...).Want(t, 0)
				take(t, f.calls, devices, "devices to be called")
				awaitAnswers(t, h, devices-1)
			} else {
				f = startFleet(t, h, devices, func(int) bool { return false })
				h.Ctl(t, append(args, "--start", "+10s")...).Want(t, 0)
			}
			watch := harness.Start(t, "latchctl job watch", h.Command("job", "watch", jobID))
			if test.hold != nil {
				watch.Expect(t, "running: ")
			} else {
				watch.Expect(t, "scheduled for ")
			}

			h.Kill()
			watch.Expect(t, "latchctl: note: hub at ")
			close(f.release)
			h.Start(t)

			watch.Expect(t, "latchctl: note: the hub answers again")
			if code := watch.Wait(t); code != test.code {
				t.Errorf("latchctl job watch ended with exit code %d, want %d", code, test.code)
			}
		})
	}
}
