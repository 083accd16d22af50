package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/latchd/latchd/transport/iothub"
)

// Twin returns a device's twin as the service sees it, with $metadata and
// $version, or DeviceNotFound.
func (s *Store) Twin(ctx context.Context, id string) (iothub.Twin, error) {
	row, err := scanTwin(s.readDB.QueryRowContext(ctx, selectTwin+` WHERE d.id = ?`, id))
	if err != nil {
		return iothub.Twin{}, failed("read the twin of "+id, notFound(id, err))
	}
	twin, err := row.twin()
	return twin, failed("read the twin of "+id, err)
}

// DeviceTwin returns a device's twin as the device sees it: without tags and
// metadata, with $version; or DeviceNotFound.
func (s *Store) DeviceTwin(ctx context.Context, id string) (iothub.DeviceTwin, error) {
	var desired, reported section
	err := s.readDB.QueryRowContext(ctx, `SELECT desired, desired_version, reported, reported_version FROM devices WHERE id = ?`, id).
		Scan(&desired.text, &desired.version, &reported.text, &reported.version)
	var twin iothub.DeviceTwin
	if err == nil {
		twin.Desired, err = desired.object(false)
	}
	if err == nil {
		twin.Reported, err = reported.object(false)
	}
	return twin, failed("read the twin of "+id, notFound(id, err))
}

// UpdateTwin lays the patch over the twin's tags and desired properties, or puts
// it in their place, and returns the twin after it. A part that the patch does
// not have stays as it is. ifMatch is an etag of the twin, "*" or empty. Every
// change raises version and etag, one of the desired properties also their
// $version. Refusals: DeviceNotFound, PreconditionFailed, and ArgumentInvalid for
// what cannot stand in a twin.
//
// If the desired properties were touched, send is called with what is to be sent
// to the device: the patch with $version; after a replacement it has null for all
// that is gone, so that a device that merges ends up with the same. It is called
// after the COMMIT on the writer's goroutine, and so in the order of the versions,
// and must not block. It may be nil.
func (s *Store) UpdateTwin(ctx context.Context, id string, patch iothub.TwinPatch, ifMatch string, replace bool,
	send func(desired iothub.Object)) (iothub.Twin, error) {
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
		if desired := change.sent(row.desired.version); err == nil && desired != nil && send != nil {
			send(desired)
		}
		if err == nil {
			s.tellTwin(id, change, row)
		}
		ended <- err
	})
	if err := <-ended; err != nil {
		return iothub.Twin{}, failed("update the twin of "+id, err)
	}
	twin, err := row.twin()
	return twin, failed("update the twin of "+id, err)
}

// UpdateTwinAsync is UpdateTwin for jobs: the patch's own etag is matched, and
// done is called after the COMMIT with what is to be sent to the device, nil if
// the desired properties were not touched; see [Store.UpdateAsync].
func (s *Store) UpdateTwinAsync(id string, patch iothub.TwinPatch, done func(desired iothub.Object, err error)) {
	change, refusal := newTwinChange(patch, patch.ETag, false)
	var row twinRow
	s.UpdateAsync(func(*sql.Tx) (err error) {
		if refusal != nil {
			return refusal
		}
		row, err = s.changeTwin(id, change)
		return err
	}, func(err error) {
		if err != nil {
			done(nil, failed("update the twin of "+id, err))
			return
		}
		s.tellTwin(id, change, row)
		done(change.sent(row.desired.version), nil)
	})
}

// Report lays the patch over the reported properties and returns their new
// $version. Refusals: DeviceNotFound, and ArgumentInvalid for what cannot stand
// in a twin, names that begin with '$' among it.
func (s *Store) Report(ctx context.Context, id string, patch iothub.Object) (version int64, err error) {
	if err := checkSection("reported", patch); err != nil {
		return 0, err
	}
	err = s.updateThen(ctx, func(tx *sql.Tx) error {
		var part section
		err := s.queryRow(`SELECT reported, reported_metadata, reported_version FROM devices WHERE id = ?`, id).
			Scan(&part.text, &part.metadata, &part.version)
		if err != nil {
			return notFound(id, err)
		}
		now := s.now()
		if err := part.merge("reported", patch, false, mark{at: now}, maxReported); err != nil {
			return err
		}
		version = part.version
		_, err = s.exec(`
			UPDATE devices SET reported = ?, reported_metadata = ?, reported_version = ?, version = version + 1, last_activity = ?
			WHERE id = ?`, part.text, part.metadata, part.version, micros(now), id)
		return err
	}, func() {
		if s.watch != nil {
			s.tell(Change{DeviceID: id, Operation: TwinUpdated, Reported: versioned(patch, version)})
		}
	})
	return version, failed("store the reported properties of "+id, err)
}

// twinChange is a checked change by the service.
type twinChange struct {
	tags, desired iothub.Object // nil: not touched
	ifMatch       string
	replace       bool
	gone          iothub.Object // of a replacement: what the device is to be sent
}

func newTwinChange(patch iothub.TwinPatch, ifMatch string, replace bool) (*twinChange, error) {
	c := &twinChange{ifMatch: ifMatch, replace: replace, tags: withoutSystem(patch.Tags)}
	if patch.Properties != nil {
		c.desired = withoutSystem(patch.Properties.Desired)
	}
	if err := checkSection("tags", c.tags); err != nil {
		return nil, err
	}
	return c, checkSection("desired", c.desired)
}

// sent is what goes to the device.
func (c *twinChange) sent(version int64) iothub.Object {
	if c.desired == nil {
		return nil
	}
	source := c.desired
	if c.replace {
		source = c.gone
	}
	return versioned(source, version)
}

// tellTwin tells of a change by the service, if there was one.
func (s *Store) tellTwin(id string, c *twinChange, row twinRow) {
	if s.watch == nil || c.tags == nil && c.desired == nil {
		return
	}
	operation := TwinUpdated
	if c.replace {
		operation = TwinReplaced
	}
	s.tell(Change{DeviceID: id, Operation: operation, Version: row.Version,
		Tags: c.tags, Desired: versioned(c.desired, row.desired.version)})
}

// changeTwin applies the change within a write and returns the row after it.
func (s *Store) changeTwin(id string, c *twinChange) (twinRow, error) {
	row, err := scanTwin(s.queryRow(selectTwin+` WHERE d.id = ?`, id))
	if err != nil {
		return twinRow{}, notFound(id, err)
	}
	if err := checkMatch(c.ifMatch, row.ETag, "the twin of "+id); err != nil {
		return twinRow{}, err
	}
	if c.tags == nil && c.desired == nil {
		return row, nil
	}
	if c.tags != nil {
		tags := section{text: row.tags, metadata: "{}"}
		if err := tags.merge("tags", c.tags, c.replace, mark{}, maxTags); err != nil {
			return twinRow{}, err
		}
		row.tags = tags.text
	}
	if c.desired != nil {
		if c.replace {
			old, err := iothub.ParseObject([]byte(row.desired.text))
			if err != nil {
				return twinRow{}, err
			}
			c.gone = replacement(old, c.desired)
		}
		at := mark{at: s.now(), version: row.desired.version + 1}
		if err := row.desired.merge("desired", c.desired, c.replace, at, maxDesired); err != nil {
			return twinRow{}, err
		}
	}
	number, err := parseTwinETag(row.ETag)
	if err != nil {
		return twinRow{}, err
	}
	row.ETag = twinETag(number + 1)
	row.Version++
	_, err = s.exec(`
		UPDATE devices SET tags = ?, desired = ?, desired_metadata = ?, desired_version = ?, etag = ?, version = ? WHERE id = ?`,
		row.tags, row.desired.text, row.desired.metadata, row.desired.version, row.ETag, row.Version, id)
	return row, err
}

// twinETag gives the etag of a twin: a counter of 8 bytes in base64.
func twinETag(n uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
}

func parseTwinETag(etag string) (uint64, error) {
	raw, err := base64.StdEncoding.DecodeString(etag)
	if err != nil || len(raw) != 8 {
		return 0, errors.New("the stored etag " + etag + " is no counter")
	}
	return binary.BigEndian.Uint64(raw), nil
}
