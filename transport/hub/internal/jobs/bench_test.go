package jobs_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// instantDevices answers every call at once, so that the benchmark measures only the
// engine and the store.
type instantDevices struct{}

func (instantDevices) Invoke(_ string, _ iothub.MethodRequest, done func(iothub.MethodResponse, error)) {
	go done(iothub.MethodResponse{Status: 200, Payload: []byte(`{"position":"locked","confirmed":true,"changed":true,"tookMs":3}`)}, nil)
}

func (instantDevices) Online(string) bool { return true }

func (instantDevices) OnReady(_ string, ready func()) func() { ready(); return func() {} }

func (instantDevices) SendDesired(string, iothub.Object) {}

func BenchmarkJob(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		for kind, job := range map[string]func(id, condition string) iothub.Job{"method": lock, "twin": setFloor} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				s, err := store.Open(filepath.Join(b.TempDir(), "hub.db"))
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()

				created := createAll(b, s, n)
				for range n {
					if err := <-created; err != nil {
						b.Fatal(err)
					}
				}

				e, err := jobs.Start(b.Context(), jobs.Options{Store: s, Devices: instantDevices{}})
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close(b.Context())

				i := 0
				for b.Loop() {
					i++
					id := fmt.Sprintf("job-%d", i)
					if _, err := e.Create(b.Context(), job(id, "*")); err != nil {
						b.Fatal(err)
					}
					for {
						got, err := e.Job(b.Context(), id)
						if err != nil {
							b.Fatal(err)
						}
						if got.Status.Ended() {
							if got.DeviceJobStatistics.SucceededCount != n {
								b.Fatalf("%+v", *got.DeviceJobStatistics)
							}
							break
						}
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
	}
}

// createAll creates n devices at the same time. It returns a channel with the result for
// each device.
func createAll(b *testing.B, s *store.Store, n int) chan error {
	created := make(chan error, n)
	for i := range n {
		go func() {
			_, err := s.CreateDevice(b.Context(), iothub.DeviceIdentity{DeviceID: fmt.Sprintf("d%05d", i)})
			created <- err
		}()
	}
	return created
}
