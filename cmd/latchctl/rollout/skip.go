package rollout

import (
	"fmt"
	"slices"
)

// Skip leaves devices out of the rollout: devices that failed, and devices that it has not
// called yet. They count neither as succeeded nor as failed. If a wave then has no device
// left, the next devices of the rollout move up, so that each wave is still tried on as many
// devices as planned.
//
// Skip changes nothing if it returns an error: an id is not in the rollout, the device has
// succeeded, or a job may be calling it.
func (r *Rollout) Skip(ids []string) error {
	next := r.clone()
	sizes := make([]int, len(r.Waves))
	for i, w := range r.Waves {
		sizes[i] = len(w.Devices())
	}

	for _, id := range ids {
		if err := next.skip(id); err != nil {
			return fmt.Errorf("device %s %w; nothing was sent", id, err)
		}
	}

	for i := range next.Waves {
		if w := next.Waves[i]; !w.Passed && len(w.Devices()) == 0 {
			next.moveUp(i, sizes[i])
		}
	}
	*r = next
	return nil
}

// skip leaves out one device.
func (r *Rollout) skip(id string) error {
	i := slices.IndexFunc(r.Waves, func(w Wave) bool {
		return slices.Contains(w.Devices(), id) || slices.Contains(w.Skipped, id) || slices.Contains(w.Gone, id)
	})
	if i < 0 {
		return fmt.Errorf("is not in rollout %s", r.ID)
	}

	w := &r.Waves[i]
	if !slices.Contains(w.Devices(), id) {
		return nil // it is left out already
	}
	for _, j := range w.Jobs {
		if j.SubmittedAt != nil && !j.Ended && slices.Contains(j.Devices, id) {
			return fmt.Errorf("may be called by job %s now: resume the rollout without --skip, and skip the device if it fails", j.ID)
		}
	}
	if _, failed := w.Failed[id]; !failed && !slices.Contains(w.Pending(), id) {
		return fmt.Errorf("has succeeded in rollout %s", r.ID)
	}

	if waiting := w.waiting(); slices.Contains(waiting, id) {
		r.setWaiting(i, slices.DeleteFunc(waiting, func(other string) bool { return other == id }))
	}
	delete(w.Failed, id)
	w.Skipped = append(w.Skipped, id)
	slices.Sort(w.Skipped)
	return nil
}

// waiting returns the ids of the wave's devices whose jobs have not been created.
func (w Wave) waiting() []string {
	var devices []string
	for _, j := range w.Jobs {
		if j.SubmittedAt == nil {
			devices = append(devices, j.Devices...)
		}
	}
	return devices
}

// setWaiting replaces the wave's jobs that have not been created by jobs for the given
// devices.
func (r *Rollout) setWaiting(wave int, devices []string) {
	w := &r.Waves[wave]
	w.Jobs = slices.DeleteFunc(w.Jobs, func(j Job) bool { return j.SubmittedAt == nil })
	r.addJobs(wave, devices)
}

// moveUp moves n devices that have not been called into a wave that has no device left,
// and fills the later waves up in the same way. The last wave gets smaller. The wave
// starts again.
func (r *Rollout) moveUp(wave, n int) {
	var queue []string
	sizes := make([]int, len(r.Waves))
	sizes[wave] = n
	for i := wave + 1; i < len(r.Waves); i++ {
		waiting := r.Waves[i].waiting()
		queue = append(queue, waiting...)
		sizes[i] = len(waiting)
	}

	for i := wave; i < len(r.Waves); i++ {
		size := min(sizes[i], len(queue))
		r.setWaiting(i, queue[:size])
		queue = queue[size:]
	}
	if wave == r.CurrentWave() {
		r.Phase, r.SoakUntil = Calling, nil
	}
}
