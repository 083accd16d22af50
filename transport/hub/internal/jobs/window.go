package jobs

import (
	"slices"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// maxOffline limits the offline devices for which all jobs together wait, and so the
// memory for them. A job does not wait for more devices.
const maxOffline = 100_000

// room returns how many devices a job may begin to call now. All jobs that have devices
// to call share the window equally.
func (e *Engine) room(j *activeJob) int {
	jobs, callers := 0, 0
	for _, other := range e.active {
		if other.phase == running {
			jobs++
		}
		if other.hasDevices() {
			callers++
		}
	}

	share := max(1, e.window/max(1, callers))
	n := min(e.window-e.recent, share-j.recent)
	n = max(n, e.window/reserveFactor-j.recent)

	unanswered := max(share, unansweredFactor*e.window/max(1, jobs))
	return max(0, min(n, maxBatch, unanswered-len(j.called)))
}

// next removes the devices that the job calls next from its pending devices. Devices that
// are offline and for which the job waits take no place in the window.
func (e *Engine) next(j *activeJob, now time.Time) []string {
	room := e.room(j)
	if room == 0 || e.throttle.Until(throttle.JobDevices) > 0 {
		return nil
	}
	if len(j.first) > 0 {
		j.pending = slices.Concat(j.first, j.pending)
		j.first = nil
	}

	var online []string
	spare := maxOffline - e.offlineDevices()
	for len(online) < room && len(j.pending) > 0 {
		device := j.pending[0]
		j.pending = j.pending[1:]
		if spare > 0 && e.await(j, device, now) {
			spare--
			continue
		}
		online = append(online, device)
	}

	n := e.throttle.TakeSome(throttle.JobDevices, len(online))
	if n < len(online) {
		j.pending = slices.Concat(online[n:], j.pending)
	}
	return online[:n:n]
}

// forgetOldCalls removes calls from the window that have not been answered for a long
// time.
func (e *Engine) forgetOldCalls(now time.Time) {
	for len(e.calls) > 0 {
		c := e.calls[0]
		if c.recent && now.Before(c.at.Add(recentTime)) {
			return
		}
		e.forget(c)
		e.calls = e.calls[1:]
	}
	e.calls = nil
}

// forget removes a call from the window.
func (e *Engine) forget(c *call) {
	if c.recent {
		c.recent = false
		e.recent--
		c.job.recent--
	}
}

// connectTime returns the time until which the job waits for a device that is offline
// now.
func (j *activeJob) connectTime(device string, now time.Time) time.Time {
	if j.job.Type != iothub.ScheduleDeviceMethod {
		return now
	}
	if t, ok := j.connectBy[device]; ok {
		return t
	}

	t := now.Add(time.Duration(j.job.CloudToDeviceMethod.ConnectTimeoutInSeconds) * time.Second)
	if t.Before(j.reconnectBy) {
		return j.reconnectBy
	}
	return t
}

// await begins to wait for a device if the device is offline and the job has time to wait
// for it. Otherwise it returns false.
func (e *Engine) await(j *activeJob, device string, now time.Time) bool {
	until := j.connectTime(device, now)
	if !now.Before(until) || e.devices.Online(device) {
		return false
	}

	j.connectBy[device] = until
	if len(j.offline) == 0 || until.Before(j.giveUpAt) {
		j.giveUpAt = until
	}
	j.offline[device] = e.devices.OnReady(device, func() {
		e.mail.post(func() {
			if _, waits := j.offline[device]; waits {
				delete(j.offline, device)
				j.first = append(j.first, device)
			}
		})
	})
	return true
}

// offlineDevices returns the number of devices for which all jobs together wait.
func (e *Engine) offlineDevices() int {
	n := 0
	for _, j := range e.active {
		n += len(j.offline)
	}
	return n
}

// giveUp fails the job for the devices that did not connect in time.
func (e *Engine) giveUp(j *activeJob, now time.Time) {
	var next time.Time
	for device, cancel := range j.offline {
		until := j.connectBy[device]
		if now.Before(until) {
			if next.IsZero() || until.Before(next) {
				next = until
			}
			continue
		}

		cancel()
		delete(j.offline, device)
		delete(j.connectBy, device)
		j.results = append(j.results, store.JobResult{DeviceID: device, FromPending: true, Error: &iothub.DeviceJobError{
			Code: string(iothub.CodeDeviceNotOnline), Description: "device " + device + " did not connect within the time for which the job waits",
		}})
	}
	j.giveUpAt = next
}
