package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// costlyCondition is a condition that makes the hub compare 650 values of every twin, and
// selects no device.
var costlyCondition = strings.Repeat("tags.a=1 OR ", 649) + "tags.a=1"

// TestCostlyConditionsDoNotDelayALock measures how long ten jobs with a costly condition,
// on 5,000 devices, delay a technician who locks one door. The limits leave a busy machine
// some time; an idle one needs less than 0.1 s and 2 s.
func TestCostlyConditionsDoNotDelayALock(t *testing.T) {
	if testing.Short() {
		t.Skip("registers 5,000 devices")
	}

	s, err := store.Open(filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	for _, id := range ids(5000) {
		wg.Go(func() {
			tags := iothub.Object{"building": "43", "a": json.Number("2")}
			if _, err := s.CreateDeviceWithTwin(t.Context(), iothub.DeviceIdentity{DeviceID: id}, iothub.TwinPatch{Tags: tags}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	ended := make(chan iothub.Job, 1)
	e, err := jobs.Start(t.Context(), jobs.Options{Store: s, Devices: instantDevices{}, Watch: func(job iothub.Job) {
		if job.JobID == "lock" && job.Status.Ended() {
			ended <- job
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())

	for i := range 10 {
		wg.Go(func() {
			if _, err := e.Create(t.Context(), lock(fmt.Sprintf("costly-%d", i), costlyCondition)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	begin := time.Now()
	if _, err := e.Create(t.Context(), lock("lock", "deviceId = 'd0042'")); err != nil {
		t.Fatal(err)
	}
	accepted := time.Since(begin)
	var job iothub.Job
	select {
	case job = <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the job of the technician has not ended after a minute")
	}
	locked := time.Since(begin)

	t.Logf("the hub accepted the job after %v, and the door was locked after %v", accepted, locked)
	if accepted > 3*time.Second || locked > 10*time.Second || job.DeviceJobStatistics.SucceededCount != 1 {
		t.Errorf("accepted after %v, want 3s; locked after %v, want 10s; %+v", accepted, locked, *job.DeviceJobStatistics)
	}
}
