package store

import (
	"context"
	"database/sql"

	"github.com/latchd/latchd/transport/iothub"
)

// UpdateTwinThen is [Store.UpdateTwin], and calls then after the COMMIT, if the
// desired properties were touched, with what is to be sent to the device. It does
// so on the writer's goroutine, as done of UpdateTwinAsync is called: whoever
// sends from there sends in the order of the versions. then must not block.
func (s *Store) UpdateTwinThen(ctx context.Context, id string, patch iothub.TwinPatch, ifMatch string, replace bool,
	then func(desired iothub.Object)) (iothub.Twin, error) {
	change, err := newTwinChange(patch, ifMatch, replace)
	if err != nil {
		return iothub.Twin{}, failed("update the twin of "+id, err)
	}
	var row twinRow
	ended := make(chan error, 1)
	s.UpdateAsync(func(*sql.Tx) (err error) {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err = s.changeTwin(id, change)
		return err
	}, func(err error) {
		if err == nil {
			if desired := change.sent(row.desired.version); desired != nil {
				then(desired)
			}
		}
		ended <- err
	})
	if err := <-ended; err != nil {
		return iothub.Twin{}, failed("update the twin of "+id, err)
	}
	twin, err := row.twin()
	return twin, failed("update the twin of "+id, err)
}
