package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// The client must repeat a read after the wait that the hub asked for.
func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()

	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "4")
			refuse(w, iothub.CodeThrottling, "slow down")
		},
		func(w http.ResponseWriter) { refuse(w, iothub.CodeServiceUnavailable, "busy") },
		func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", testNow.Add(10250*time.Millisecond).Format(http.TimeFormat))
			refuse(w, iothub.CodeThrottling, "slow down")
		},
		func(w http.ResponseWriter) { respond(w, 200, `{"jobId":"j"}`) },
	}

	n := 0
	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { answers[n](w); n++ })
	var waits []time.Duration
	c, slept := hub.client(t, func(o *Options) {
		o.OnRetry = func(err error, wait time.Duration) { waits = append(waits, wait) }
	})
	job, err := c.Job(t.Context(), "j")
	if err != nil || job.JobID != "j" {
		t.Fatal(job, err)
	}

	// Each wait is the time that the hub asked for plus a quarter of it, because the
	// jitter is 0.5. The hub's second answer gives no time. The client's own wait at
	// this point is 2 s.
	want := []time.Duration{5 * time.Second, 2500 * time.Millisecond, 12187500 * time.Microsecond}
	if (*slept)[2] = (*slept)[2].Truncate(time.Microsecond); !reflect.DeepEqual(*slept, want) {
		t.Errorf("slept %v, want %v", *slept, want)
	}
	if len(waits) != 3 {
		t.Errorf("OnRetry was called %d times, want 3", len(waits))
	}

	ids := map[string]bool{}
	for _, call := range hub.recorded() {
		ids[call.Header.Get("Request-Id")] = true
	}
	if len(ids) != 4 {
		t.Errorf("%d request ids for 4 requests", len(ids))
	}
}

func TestRepeatingIsBounded(t *testing.T) {
	t.Parallel()

	for name, after := range map[string]string{"attempts": "1", "time": "100"} {
		t.Run(name, func(t *testing.T) {
			hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", after)
				refuse(w, iothub.CodeThrottling, "slow down")
			})
			c, slept := hub.client(t)
			_, err := c.Twin(t.Context(), "d")
			e, ok := errors.AsType[*iothub.Error](err)
			if !ok || e.Code != iothub.CodeThrottling || e.RetryAfter == 0 {
				t.Errorf("error %v, want the refusal with its Retry-After", err)
			}
			total := time.Duration(0)
			for _, d := range *slept {
				total += d
			}
			if n := len(hub.recorded()); n > maxAttempts || n != len(*slept)+1 || total > maxTotalWait {
				t.Errorf("%d requests with a total wait of %v", n, total)
			}
		})
	}
}

// If the hub has too many active jobs, the client must not wait. Such a wait could last
// as long as a job, so the caller must decide.
func TestTooManyJobsIsNotRepeated(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, iothub.CodeTooManyJobs, "too many") })
	c, slept := hub.client(t)
	_, err := c.CreateJob(t.Context(), iothub.Job{JobID: "j"})
	if !errors.Is(err, &iothub.Error{Code: iothub.CodeTooManyJobs}) || len(hub.recorded()) != 1 || len(*slept) != 0 {
		t.Errorf("error %v after %d requests", err, len(hub.recorded()))
	}
}

func TestWaitEndsWithTheCaller(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, iothub.CodeThrottling, "slow down") })
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := hub.client(t, func(o *Options) {
		o.Sleep = func(ctx context.Context, d time.Duration) error { cancel(); return ctx.Err() }
	})
	if _, err := c.Twin(ctx, "d"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestNeverRepeated checks that the client never repeats certain requests, such as
// direct methods.
func TestNeverRepeated(t *testing.T) {
	t.Parallel()

	calls := map[string]func(context.Context, *Client) error{
		"method": func(ctx context.Context, c *Client) error {
			_, err := c.InvokeMethod(ctx, "d", iothub.MethodRequest{MethodName: "unlockDoor"})
			return err
		},
		"device": func(ctx context.Context, c *Client) error {
			_, err := c.CreateDevice(ctx, iothub.DeviceIdentity{DeviceID: "d"})
			return err
		},
		"twin": func(ctx context.Context, c *Client) error {
			_, err := c.UpdateTwin(ctx, "d", iothub.TwinPatch{}, "")
			return err
		},
		"cancel": func(ctx context.Context, c *Client) error { _, err := c.CancelJob(ctx, "j"); return err },
	}

	failures := map[string]http.HandlerFunc{
		"429":  func(w http.ResponseWriter, r *http.Request) { refuse(w, iothub.CodeThrottling, "slow down") },
		"503":  func(w http.ResponseWriter, r *http.Request) { refuse(w, iothub.CodeServiceUnavailable, "busy") },
		"lost": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	}

	for callName, f := range calls {
		for failure, answer := range failures {
			t.Run(callName+" "+failure, func(t *testing.T) {
				hub := startHub(t, answer)
				c, _ := hub.client(t)
				if err := f(t.Context(), c); err == nil {
					t.Error("no error")
				}
				if n := len(hub.recorded()); n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		}
	}
}

// Go's HTTP transport repeats some requests without being asked, after the hub has
// closed an idle connection. It must not repeat a direct method.
func TestMethodOnLostIdleConnection(t *testing.T) {
	t.Parallel()

	n := 0
	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			respond(w, 200, `{"deviceId":"d"}`)
			return
		}
		panic(http.ErrAbortHandler) // close the connection after reading the request
	})

	c, _ := hub.client(t)
	if _, err := c.Twin(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	_, err := c.InvokeMethod(t.Context(), "d", iothub.MethodRequest{MethodName: "unlockDoor"})
	if e, ok := errors.AsType[*NetworkError](err); !ok || !e.Sent() {
		t.Errorf("error %v, want one for which Sent is true", err)
	}

	if got := len(hub.recorded()); got != 2 {
		t.Errorf("%d requests, want the method once", got-1)
	}
}

func TestCreateJobAfterLostAnswer(t *testing.T) {
	t.Parallel()

	asked := iothub.Job{JobID: "j1", Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", Payload: json.RawMessage(`{"reason": "fire drill"}`), ResponseTimeoutInSeconds: 15}}
	// existing is the answer of a hub that already has the requested job.
	const existing = `{"jobId":"j1","type":"scheduleDeviceMethod","status":"running","queryCondition":"*","startTime":"2026-11-23T12:00:00Z","maxExecutionTimeInSeconds":3600,` +
		`"cloudToDeviceMethod":{"methodName":"lockDoor","payload":{"reason":"fire drill"},"responseTimeoutInSeconds":15}}`
	tests := []struct {
		name    string
		answers []string // answer to each request: lost, 200, 409, 429, 503 or a job
		wantErr string
		calls   string
	}{
		{"created", []string{"lost", "409", existing}, "", "PUT PUT GET"},
		{"not created", []string{"lost", "200"}, "", "PUT PUT"},
		{"id used by another job", []string{"lost", "409", strings.Replace(existing, "lockDoor", "unlockDoor", 1)}, "in use", "PUT PUT GET"},
		{"in use from the start", []string{"409"}, "in use", "PUT"},
		{"throttled, then in use", []string{"429", "409"}, "in use", "PUT PUT"},
		{"busy, but created", []string{"503", "409", existing}, "", "PUT PUT GET"},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
				answer := tt.answers[n]
				n++
				switch answer {
				case "lost":
					panic(http.ErrAbortHandler)
				case "200":
					respond(w, 200, existing)
				case "409":
					refuse(w, iothub.CodeJobAlreadyExists, "the job id j1 is in use")
				case "429":
					refuse(w, iothub.CodeThrottling, "slow down")
				case "503":
					refuse(w, iothub.CodeServiceUnavailable, "busy")
				default:
					respond(w, 200, answer)
				}
			})
			c, _ := hub.client(t)
			job, err := c.CreateJob(t.Context(), asked)
			if tt.wantErr == "" && (err != nil || job.Status != iothub.JobRunning) {
				t.Errorf("job %+v, error %v", job, err)
			}
			if tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			var calls []string
			for _, call := range hub.recorded() {
				calls = append(calls, call.Method)
			}
			if got := strings.Join(calls, " "); got != tt.calls {
				t.Errorf("requests %s, want %s", got, tt.calls)
			}
		})
	}
}

// If the first answer is lost and all further attempts fail, the error must say that
// the job may be running.
func TestCreateJobNotFoundAfterLostAnswer(t *testing.T) {
	t.Parallel()

	for name, after := range map[string]func(w http.ResponseWriter, r *http.Request){
		"the hub is away": nil,
		"throttled":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, iothub.CodeThrottling, "slow down") },
		"not allowed any more": func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, iothub.CodeUnauthorized, "who are you")
		},
		"created, but cannot be read": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				refuse(w, iothub.CodeJobAlreadyExists, "the job id j is in use")
			} else {
				refuse(w, iothub.CodeServerError, "broken")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			var hub *recorder
			hub = startHub(t, func(w http.ResponseWriter, r *http.Request) {
				if n++; n > 1 {
					after(w, r)
					return
				}
				if after == nil {
					hub.Listener.Close()
				}
				panic(http.ErrAbortHandler)
			})
			c, _ := hub.client(t)
			_, err := c.CreateJob(t.Context(), iothub.Job{JobID: "j"})
			network, isNetwork := errors.AsType[*NetworkError](err)
			refusal, isRefusal := errors.AsType[*iothub.Error](err)
			if !isNetwork || !network.Sent() || isRefusal && refusal.Status == http.StatusConflict {
				t.Errorf("error %v, want one that says that the job may run", err)
			}
		})
	}
}

func TestCreateJobIsNotRepeatedIfNothingWasSent(t *testing.T) {
	t.Parallel()

	hub := startHub(t, nil)
	hub.Close()
	c, slept := hub.client(t)
	_, err := c.CreateJob(t.Context(), iothub.Job{JobID: "j"})
	if e, ok := errors.AsType[*NetworkError](err); !ok || e.Kind != Unreachable || len(*slept) != 0 {
		t.Errorf("error %v after %d waits", err, len(*slept))
	}
}
