package jobs_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

func TestCloseStoresArrivingAnswers(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		answersAfter time.Duration
		want         iothub.Outcome // error of the called device after the hub has restarted
	}{
		"answer in time": {time.Second, iothub.Succeeded},
		"late answer":    {time.Minute, iothub.Uncertain},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHubWithWindow(t, 1, "called", "waits")
				h.fleet.silent["called"] = true
				h.create(lock("job1", "*"))
				settle()

				time.AfterFunc(test.answersAfter, func() { h.fleet.release("called") })
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
				defer cancel()
				begin := time.Now()
				err := h.Engine.Close(ctx)
				if took := time.Since(begin); took != min(test.answersAfter, 2*time.Second) || (err == nil) != (test.want == iothub.Succeeded) {
					t.Errorf("Close took %v and returned %v", took, err)
				}
				if n := h.fleet.callsOf("waits"); n != 0 {
					t.Errorf("during Close %d more devices were called", n)
				}

				if err := h.store.Close(); err != nil {
					t.Fatal(err)
				}
				h.open()
				h.start()
				defer h.close()
				after(2 * time.Minute)
				rows := h.rows("job1")
				if v := rows["called"].Judge(); v.Outcome != test.want || h.fleet.callsOf("called") != 1 {
					t.Errorf("the called device: %+v after %d calls, want %s after one", v, h.fleet.callsOf("called"), test.want)
				}
				if v := rows["waits"].Judge(); v.Outcome != iothub.Succeeded {
					t.Errorf("the device that waited: %+v", v)
				}
			})
		})
	}
}
