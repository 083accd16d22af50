package fleet

import (
	"context"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// Unsuccessful holds the devices on which a job did not succeed.
type Unsuccessful struct {
	Failed  []Device // devices on which the job can be repeated
	Pending []string // ids of devices that act later by themselves, so they need no second call
	Gone    []string // ids of failed devices that are no longer in the registry
}

// Unsuccessful returns the devices on which a job did not succeed. It asks the hub which
// of them are still in the registry.
func (f *Fleet) Unsuccessful(ctx context.Context, r watch.Report) (Unsuccessful, error) {
	var failed []string
	var u Unsuccessful
	for _, d := range r.Failed() {
		if d.Verdict.Outcome == iothub.Pending {
			u.Pending = append(u.Pending, d.DeviceID)
		} else {
			failed = append(failed, d.DeviceID)
		}
	}

	var err error
	if u.Failed, err = f.WithIDs(ctx, failed); err != nil {
		return u, err
	}
	u.Gone = Missing(failed, u.Failed)

	return u, nil
}

// Repeat returns a job that does the work of an earlier job again, at once. A lock or
// unlock names the technician who repeats it. The job has no id, condition or maximum
// duration yet.
func (f *Fleet) Repeat(ctx context.Context, earlier iothub.Job) iothub.Job {
	next := iothub.Job{Type: earlier.Type, CloudToDeviceMethod: earlier.CloudToDeviceMethod, UpdateTwin: earlier.UpdateTwin}
	if earlier.CloudToDeviceMethod != nil {
		method := *earlier.CloudToDeviceMethod
		method.Payload = IdentifyAgain(method, f.By(ctx))
		next.CloudToDeviceMethod = &method
	}

	return next
}
