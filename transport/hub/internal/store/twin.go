package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Twin returns a device's twin as services see it, with $metadata and $version. It fails
// with DeviceNotFound if the device does not exist.
func (s *Store) Twin(ctx context.Context, id string) (iothub.Twin, error) {
	row, err := scanTwin(s.readDB.QueryRowContext(ctx, selectOneTwin, id))
	if err != nil {
		return iothub.Twin{}, wrapError("read the twin of "+id, notFound(id, err))
	}
	twin, err := row.twin()
	return twin, wrapError("read the twin of "+id, err)
}

const selectDeviceTwin = `SELECT desired, desired_version, reported, reported_version FROM devices WHERE id = ?`

// DeviceTwin returns a device's twin as the device sees it: with $version, but without
// tags and metadata. It fails with DeviceNotFound if the device does not exist.
func (s *Store) DeviceTwin(ctx context.Context, id string) (iothub.DeviceTwin, error) {
	var desired, reported section
	err := rowByID(ctx, s.deviceTwin, id).Scan(&desired.text, &desired.version, &reported.text, &reported.version)

	var twin iothub.DeviceTwin
	if err == nil {
		twin.Desired, err = desired.object(false)
	}
	if err == nil {
		twin.Reported, err = reported.object(false)
	}
	return twin, wrapError("read the twin of "+id, notFound(id, err))
}

// UpdateTwin applies a patch to the tags and desired properties of a twin, and returns
// the stored twin. If replace is true, it replaces these sections with the contents of
// the patch. A section that the patch does not contain stays unchanged. Every change
// increments the twin's version and etag, and a change of the desired properties also
// increments their $version.
//
// ifMatch must be the twin's current etag, "*" or empty. UpdateTwin fails with:
//
//   - DeviceNotFound if the device does not exist,
//   - PreconditionFailed if ifMatch is a different etag,
//   - ArgumentInvalid if the patch contains a value that a twin cannot hold, or null in
//     an array or in a replacement.
//
// If the desired properties change, UpdateTwin calls send with the message for the
// device: a patch with $version. After a replacement, this patch contains null for every
// removed property, so that the device can merge it. UpdateTwin calls send after the
// commit, in the order of the versions. send runs on the goroutine that commits all
// writes, so it must not block. If send is nil, no message is sent.
func (s *Store) UpdateTwin(ctx context.Context, id string, patch iothub.TwinPatch, ifMatch string, replace bool,
	send func(desired iothub.Object)) (iothub.Twin, error) {
	update, err := newTwinUpdate(patch, ifMatch, replace)
	if err != nil {
		return iothub.Twin{}, wrapError("update the twin of "+id, err)
	}

	var row twinRow
	err = s.updateThen(ctx, func(*sql.Tx) error {
		_, err := s.applyTwinUpdate(id, update)
		if err == nil {
			row, err = scanTwin(s.queryRow(selectOneTwin, id))
		}
		return err
	}, func() {
		if message := update.deviceMessage(row.desired.version); message != nil && send != nil {
			send(message)
		}
		s.notifyTwinUpdate(id, update, row)
	})
	if err != nil {
		return iothub.Twin{}, wrapError("update the twin of "+id, err)
	}

	twin, err := row.twin()
	return twin, wrapError("update the twin of "+id, err)
}

// UpdateTwinAsync applies a patch to a twin, like UpdateTwin, but does not wait for the
// commit. If the patch has an etag, it must match the twin's etag. After the commit, done
// receives the message for the device, or nil if the desired properties did not change.
// Like the function done of [Store.UpdateAsync], it must not block.
func (s *Store) UpdateTwinAsync(id string, patch iothub.TwinPatch, done func(desired iothub.Object, err error)) {
	update, refusal := newTwinUpdate(patch, patch.ETag, false)
	var row twinRow
	s.UpdateAsync(func(*sql.Tx) (err error) {
		if refusal != nil {
			return refusal
		}
		row, err = s.applyTwinUpdate(id, update)
		return err
	}, func(err error) {
		if err != nil {
			done(nil, wrapError("update the twin of "+id, err))
			return
		}
		s.notifyTwinUpdate(id, update, row)
		done(update.deviceMessage(row.desired.version), nil)
	})
}

// Report applies a device's patch to its reported properties and returns their new
// $version. If ifVersion is not 0, it must be their current $version.
//
// Each report rewrites the whole section. So that small reports of one device cannot
// occupy the writer, Report returns late if the section is large; see rewritePause.
//
// Report fails with:
//
//   - DeviceNotFound if the device does not exist,
//   - PreconditionFailed if ifVersion is a different version,
//   - ArgumentInvalid if the patch contains a value that a twin cannot hold, or a
//     name that begins with '$'.
func (s *Store) Report(ctx context.Context, id string, patch iothub.Object, ifVersion int64) (version int64, err error) {
	if err := checkSection("reported", patch, nullRemoves); err != nil {
		return 0, err
	}

	var reported section
	err = s.updateThen(ctx, func(tx *sql.Tx) error {
		err := s.queryRow(`SELECT reported, reported_metadata, reported_version FROM devices WHERE id = ?`, id).
			Scan(&reported.text, &reported.metadata, &reported.version)
		if err != nil {
			return notFound(id, err)
		}
		if ifVersion != 0 && ifVersion != reported.version {
			return iothub.Errorf(iothub.CodePreconditionFailed, "the reported properties of %s have the version %d, not %d: read the twin again",
				id, reported.version, ifVersion)
		}

		now := s.now()
		if err := reported.merge("reported", patch, false, changeStamp{time: now}, maxReported); err != nil {
			return err
		}
		version = reported.version
		_, err = s.exec(`
			UPDATE devices SET reported = ?, reported_metadata = ?, reported_version = ?, version = version + 1, last_activity = ?
			WHERE id = ?`, reported.text, reported.metadata, reported.version, toMicros(now), id)
		return err
	}, func() {
		if s.watch != nil {
			s.notify(Change{DeviceID: id, Operation: TwinUpdated, Reported: withVersion(patch, version)})
		}
	})
	if pause := reported.rewritePause(); pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return version, wrapError("store the reported properties of "+id, err)
}

// twinUpdate is a service's change of a twin. Its values have been checked.
type twinUpdate struct {
	tags, desired iothub.Object // nil leaves the section unchanged
	ifMatch       string
	replace       bool

	// replacementPatch is the patch that the device receives when an update replaces the
	// desired properties. applyTwinUpdate sets it.
	replacementPatch iothub.Object
}

// CheckTwinPatch returns an error if the patch contains a name or a value that no twin
// can hold. It does not check the size of the twin with the patch.
func CheckTwinPatch(patch iothub.TwinPatch) error {
	_, err := newTwinUpdate(patch, "", false)
	return err
}

// CheckInitialTwin returns an error if the patch cannot be applied to an empty twin.
func CheckInitialTwin(patch iothub.TwinPatch) error {
	_, err := newTwinUpdate(patch, "", false)
	return err
}

// newTwinUpdate converts a patch to a twinUpdate. It refuses values that a twin cannot
// hold.
func newTwinUpdate(patch iothub.TwinPatch, ifMatch string, replace bool) (*twinUpdate, error) {
	u := &twinUpdate{ifMatch: ifMatch, replace: replace, tags: withoutSystemMembers(patch.Tags)}
	if patch.Properties != nil {
		u.desired = withoutSystemMembers(patch.Properties.Desired)
	}

	nulls := nullRemoves
	if replace {
		nulls = nullInReplacement
	}
	if err := checkSection("tags", u.tags, nulls); err != nil {
		return nil, err
	}
	return u, checkSection("desired", u.desired, nulls)
}

// isEmpty reports whether the update changes no section of the twin.
func (u *twinUpdate) isEmpty() bool { return u.tags == nil && u.desired == nil }

// deviceMessage returns the message that informs the device of new desired properties: a
// patch with their new version. It returns nil if the desired properties do not change.
func (u *twinUpdate) deviceMessage(version int64) iothub.Object {
	switch {
	case u.desired == nil:
		return nil
	case u.replace:
		return withVersion(u.replacementPatch, version)
	}
	return withVersion(u.desired, version)
}

// notifyTwinUpdate passes a committed twin update to the function that Watch registered.
func (s *Store) notifyTwinUpdate(id string, u *twinUpdate, row twinRow) {
	if s.watch == nil || u.isEmpty() {
		return
	}
	operation := TwinUpdated
	if u.replace {
		operation = TwinReplaced
	}
	s.notify(Change{DeviceID: id, Operation: operation, Version: row.Version,
		Tags: u.tags, Desired: withVersion(u.desired, row.desired.version)})
}

// applyTwinUpdate writes a twin update to the database. It returns those fields of the
// twin's new row that a service can change, and its versions. Call it only within a write.
func (s *Store) applyTwinUpdate(id string, u *twinUpdate) (twinRow, error) {
	var row twinRow
	err := s.queryRow(`SELECT etag, version, tags, desired, desired_metadata, desired_version FROM devices WHERE id = ?`, id).
		Scan(&row.ETag, &row.Version, &row.tags, &row.desired.text, &row.desired.metadata, &row.desired.version)
	if err != nil {
		return twinRow{}, notFound(id, err)
	}
	if err := checkMatch(u.ifMatch, row.ETag, "the twin of "+id); err != nil {
		return twinRow{}, err
	}
	if u.isEmpty() {
		return row, nil
	}

	if u.tags != nil {
		tags := section{text: row.tags, metadata: "{}"}
		if err := tags.merge("tags", u.tags, u.replace, changeStamp{}, maxTags); err != nil {
			return twinRow{}, err
		}
		row.tags = tags.text
	}
	if u.desired != nil {
		if err := s.applyDesired(&row.desired, u); err != nil {
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

// applyDesired applies a twin update to the desired properties.
func (s *Store) applyDesired(desired *section, u *twinUpdate) error {
	if u.replace {
		old, err := iothub.ParseObject([]byte(desired.text))
		if err != nil {
			return err
		}
		u.replacementPatch = replacementPatch(old, u.desired)
	}
	stamp := changeStamp{time: s.now(), version: desired.version + 1}
	return desired.merge("desired", u.desired, u.replace, stamp, maxDesired)
}

// twinETag returns a twin's etag. It encodes n, a counter of the twin's changes, as 8
// bytes in base64.
func twinETag(n uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
}

// parseTwinETag returns the counter that a twin's etag encodes.
func parseTwinETag(etag string) (uint64, error) {
	raw, err := base64.StdEncoding.DecodeString(etag)
	if err != nil || len(raw) != 8 {
		return 0, fmt.Errorf("the stored etag %q is not a counter in base64", etag)
	}
	return binary.BigEndian.Uint64(raw), nil
}
