package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/latchd/latchd/transport/iothub"
)

// Enrollment is a stored enrollment for one device or for a group of devices. Body is the
// enrollment in JSON; only package provisioning reads and writes it.
//
// The ids of enrollments and registrations match in any case, as in Azure's provisioning
// service. They keep the spelling in which they were first stored. Earlier releases
// distinguished the case; if a file has two spellings of an id, the exact one counts.
type Enrollment struct {
	Group bool
	ID    string
	ETag  string
	Body  []byte
}

// IDScope returns the id scope, which identifies the hub's provisioning service. Devices
// send it when they register. The hub generates it once and never changes it.
func (s *Store) IDScope() string { return s.idScope }

// PutEnrollment creates or replaces an enrollment and returns its new etag:
//
//   - If ifMatch is empty, it creates the enrollment. It fails if the id already
//     exists.
//   - If ifMatch is "*" or the current etag, it replaces the enrollment. It fails if
//     the id does not exist.
func (s *Store) PutEnrollment(ctx context.Context, e Enrollment, ifMatch string) (etag string, err error) {
	err = s.Update(ctx, func(tx *sql.Tx) error {
		id, version, err := s.enrollmentVersion(e.Group, e.ID)
		exists := err == nil
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case exists && ifMatch == "":
			return iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the enrollment %s already exists: give its etag in If-Match to change it", e.ID)
		case !exists && ifMatch != "":
			return noEnrollment(e.ID)
		case exists:
			if err := checkMatch(ifMatch, deviceETag(version), "the enrollment "+e.ID); err != nil {
				return err
			}
			e.ID = id
			version++
		default:
			// Begin with the current time, so that a new enrollment never gets the
			// version of a deleted enrollment with the same id.
			version = s.now().UnixMilli()
		}

		etag = deviceETag(version)
		_, err = s.exec(`INSERT INTO enrollments (is_group, id, etag, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (is_group, id) DO UPDATE SET etag = excluded.etag, body = excluded.body`, e.Group, e.ID, version, e.Body)
		return err
	})
	return etag, wrapError("store the enrollment "+e.ID, err)
}

// selectEnrollment finds an enrollment in any case, and prefers the exact spelling.
const selectEnrollment = `SELECT id, etag, body FROM enrollments
	WHERE is_group = ?1 AND id = ?2 COLLATE NOCASE ORDER BY id = ?2 DESC, id LIMIT 1`

// enrollmentVersion returns the id of a stored enrollment in its stored spelling, and the
// version that is encoded in its etag. Call it only within a write.
func (s *Store) enrollmentVersion(group bool, id string) (storedID string, version int64, err error) {
	var body []byte
	err = s.queryRow(selectEnrollment, group, id).Scan(&storedID, &version, &body)
	return storedID, version, err
}

// Enrollment returns an enrollment. It fails with NotFound if the enrollment does not
// exist.
func (s *Store) Enrollment(ctx context.Context, group bool, id string) (Enrollment, error) {
	e := Enrollment{Group: group}
	var version int64
	err := s.readDB.QueryRowContext(ctx, selectEnrollment, group, id).Scan(&e.ID, &version, &e.Body)
	if errors.Is(err, sql.ErrNoRows) {
		err = noEnrollment(id)
	}
	e.ETag = deviceETag(version)
	return e, wrapError("read the enrollment "+id, err)
}

// Enrollments returns all group enrollments (if group is true) or all individual
// enrollments, sorted by id.
func (s *Store) Enrollments(ctx context.Context, group bool) ([]Enrollment, error) {
	rows, err := s.readDB.QueryContext(ctx, `SELECT id, etag, body FROM enrollments WHERE is_group = ? ORDER BY id`, group)
	if err != nil {
		return nil, wrapError("list enrollments", err)
	}
	defer rows.Close()

	var list []Enrollment
	for rows.Next() {
		e := Enrollment{Group: group}
		var version int64
		if err := rows.Scan(&e.ID, &version, &e.Body); err != nil {
			return nil, wrapError("list enrollments", err)
		}
		e.ETag = deviceETag(version)
		list = append(list, e)
	}
	return list, wrapError("list enrollments", rows.Err())
}

// DeleteEnrollment removes an enrollment but keeps the devices that registered with it.
// ifMatch must be the enrollment's current etag, "*" or empty.
func (s *Store) DeleteEnrollment(ctx context.Context, group bool, id, ifMatch string) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		storedID, version, err := s.enrollmentVersion(group, id)
		if errors.Is(err, sql.ErrNoRows) {
			return noEnrollment(id)
		}
		if err != nil {
			return err
		}
		if err := checkMatch(ifMatch, deviceETag(version), "the enrollment "+id); err != nil {
			return err
		}

		_, err = s.exec(`DELETE FROM enrollments WHERE is_group = ? AND id = ?`, group, storedID)
		return err
	})
	return wrapError("delete the enrollment "+id, err)
}

func noEnrollment(id string) *iothub.Error {
	return iothub.Errorf(iothub.CodeNotFound, "there is no enrollment %s", id)
}
