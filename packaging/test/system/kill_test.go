package system

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const jobID = "lock-all"

// The hub is killed during a job on 50 devices and started again. The job must end with
// one row and an outcome for every device. The hub must call no device twice. Every
// write that the hub has acknowledged must survive.
func TestHubKilledInTheMiddleOfAJob(t *testing.T) {
	const devices = 50
	all := func(int) bool { return true }
	for _, test := range []struct {
		name  string
		hold  func(i int) bool // selects the devices that do not answer before the hub is killed
		await func(t *testing.T, h *harness.Hub, f *fleet)
		want  map[iothub.Outcome]int // nil if the outcomes depend on timing
	}{
		{"while devices are being called", all, func(t *testing.T, h *harness.Hub, f *fleet) {
			take(t, f.calls, 10, "devices to be called")
		}, nil},
		{"after all calls and before the first answer", all, func(t *testing.T, h *harness.Hub, f *fleet) {
			take(t, f.calls, devices, "devices to be called")
		}, map[iothub.Outcome]int{iothub.Uncertain: devices}},
		{"after every second answer is stored", func(i int) bool { return i%2 == 1 }, func(t *testing.T, h *harness.Hub, f *fleet) {
			take(t, f.calls, devices, "devices to be called")
			awaitAnswers(t, h, devices/2)
		}, map[iothub.Outcome]int{iothub.Succeeded: devices / 2, iothub.Uncertain: devices / 2}},
		{"while answers arrive", all, func(t *testing.T, h *harness.Hub, f *fleet) {
			take(t, f.calls, devices, "devices to be called")
			close(f.release)
			take(t, f.answers, 15, "devices to answer")
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := harness.StartHub(t, bin)
			f := startFleet(t, h, devices, test.hold)
			writes := startTwinWrites(t, h, f.ids[0])
			job := iothub.Job{
				JobID: jobID, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*", MaxExecutionTimeInSeconds: 60,
				CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage("null"), ResponseTimeoutInSeconds: 30},
			}
			if _, err := h.Client(t).CreateJob(t.Context(), job); err != nil {
				t.Fatal(err)
			}

			test.await(t, h, f)
			h.Kill()
			written := writes()
			before := f.timesCalled()
			select {
			case <-f.release:
			default:
				close(f.release)
			}
			h.Start(t)

			ended := awaitJob(t, h)
			outcomes := checkRows(t, h.Rows(t, jobID), f, before)
			t.Logf("outcomes: %v; called before the hub was killed: %d; writes acknowledged: %d", outcomes, len(before), written)
			if test.want != nil && !reflect.DeepEqual(outcomes, test.want) {
				t.Errorf("outcomes %v, want %v", outcomes, test.want)
			}
			if s := ended.DeviceJobStatistics; ended.Status != iothub.JobCompleted || s == nil || s.DeviceCount != devices ||
				s.SucceededCount != outcomes[iothub.Succeeded] || s.SucceededCount+s.FailedCount != devices || s.PendingCount+s.RunningCount != 0 {
				t.Errorf("the job is %s with the statistics %+v", ended.Status, s)
			}
			// The twin may contain one more write than the hub has acknowledged.
			got := h.Twin(t, f.ids[0]).Properties.Desired["n"]
			if got != number(written) && got != number(written+1) {
				t.Errorf("write %d was acknowledged, but the twin has %v", written, got)
			}
		})
	}
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// awaitAnswers waits until the hub has stored the answers of n devices.
func awaitAnswers(t *testing.T, h *harness.Hub, n int) {
	t.Helper()
	client := h.Client(t)
	harness.Await(t, "answers to be stored", func() error {
		job, err := client.Job(t.Context(), jobID)
		if err == nil && (job.DeviceJobStatistics == nil || job.DeviceJobStatistics.SucceededCount < n) {
			err = fmt.Errorf("the job is %s, %+v", job.Status, job.DeviceJobStatistics)
		}
		return err
	})
}

// awaitJob waits until the job with the given id has ended.
func awaitJob(t *testing.T, h *harness.Hub) iothub.Job {
	t.Helper()
	return awaitEnd(t, h, jobID)
}

// awaitEnd waits until the job with the given id has ended.
func awaitEnd(t *testing.T, h *harness.Hub, id string) iothub.Job {
	t.Helper()
	client := h.Client(t)
	var job iothub.Job
	harness.Await(t, "the end of job "+id, func() (err error) {
		if job, err = client.Job(t.Context(), id); err == nil && !job.Status.Ended() {
			err = fmt.Errorf("the job is %s, %+v", job.Status, job.DeviceJobStatistics)
		}
		return err
	})
	return job
}

// checkRows compares each row of the job with the calls that the device has received.
// before holds the number of calls of each device before the hub was killed. checkRows
// returns the number of devices for each outcome.
func checkRows(t *testing.T, rows map[string]iothub.DeviceJob, f *fleet, before map[string]int) map[iothub.Outcome]int {
	t.Helper()
	if len(rows) != len(f.ids) {
		t.Errorf("the job has %d rows, want %d", len(rows), len(f.ids))
	}
	times := f.timesCalled()
	outcomes := make(map[iothub.Outcome]int)
	for _, id := range f.ids {
		row, verdict := rows[id], rows[id].Judge()
		outcomes[verdict.Outcome]++
		if times[id] > 1 {
			t.Errorf("%s was called %d times", id, times[id])
		}
		switch verdict.Outcome {
		case iothub.Succeeded:
			if want := fmt.Sprintf(`{"id":%q}`, id); times[id] != 1 || string(row.Outcome.DeviceMethodResponse.Payload) != want {
				t.Errorf("%s: the row has the answer %s, but the device was called %d times", id, row.Outcome.DeviceMethodResponse.Payload, times[id])
			}
		case iothub.Uncertain:
			if row.Error == nil || row.Error.Code != string(iothub.CodeOutcomeUnknown) || row.Error.Description == "" {
				t.Errorf("%s: an uncertain row must have the code OutcomeUnknown and a description: %+v", id, row.Error)
			}
		case iothub.Offline:
			if times[id] != 0 {
				t.Errorf("%s: the row says offline, but the device was called", id)
			}
		default:
			t.Errorf("%s: %+v", id, verdict)
		}
		if before[id] > 0 && verdict.Outcome == iothub.Offline {
			t.Errorf("%s was called before the hub was killed, but its row says offline", id)
		}
	}
	return outcomes
}

// startTwinWrites increments a number in the desired properties, one write after the
// other, until the hub is killed. The function that it returns gives the last number
// that the hub has acknowledged.
func startTwinWrites(t *testing.T, h *harness.Hub, id string) (last func() int) {
	t.Helper()
	client := h.Client(t)
	first := make(chan struct{})
	result := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for n := 1; ; n++ {
			if writeNumber(ctx, client, id, n) != nil {
				result <- n - 1
				return
			}
			if n == 1 {
				close(first)
			}
		}
	}()
	<-first
	return func() int {
		// Cancel the request; otherwise the client would repeat it at the restarted
		// hub.
		cancel()
		return <-result
	}
}

func writeNumber(ctx context.Context, client *rest.Client, id string, n int) error {
	desired := iothub.Object{"n": n}
	_, err := client.UpdateTwin(ctx, id, iothub.TwinPatch{Properties: &iothub.TwinPatchProperties{Desired: desired}}, "")
	return err
}
