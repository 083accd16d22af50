package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/latchd/latchd/transport/iothub"
)

// Enrollment is a stored enrollment, for one device or for a group of devices. Body is
// the enrollment's JSON. Only package provisioning reads and writes Body.
type Enrollment struct {
	Group bool
	ID    string
	ETag  string
	Body  []byte
}

// IDScope returns the id scope of the hub's provisioning service. Devices send it when
// they register. The hub generates it once.
func (s *Store) IDScope() string { return s.idScope }

// PutEnrollment stores an enrollment and returns the enrollment's new etag. If ifMatch
// is empty, it creates the enrollment and refuses an id that already exists. If ifMatch
// is an etag or "*", it replaces the enrollment and refuses an id that does not exist.
func (s *Store) PutEnrollment(ctx context.Context, e Enrollment, ifMatch string) (etag string, err error) {
	err = s.Update(ctx, func(tx *sql.Tx) error {
		version, err := s.enrollmentVersion(e.Group, e.ID)
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
			version++
		default:
			// The first version is the current time. So it differs from the versions of
			// a deleted enrollment with the same id.
			version = s.now().UnixMilli()
		}

		etag = deviceETag(version)
		_, err = s.exec(`INSERT INTO enrollments (is_group, id, etag, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (is_group, id) DO UPDATE SET etag = excluded.etag, body = excluded.body`, e.Group, e.ID, version, e.Body)
		return err
	})
	return etag, wrapError("store the enrollment "+e.ID, err)
}

// enrollmentVersion returns the version of a stored enrollment, which its etag contains.
// Call it only in a function that Update runs.
func (s *Store) enrollmentVersion(group bool, id string) (version int64, err error) {
	err = s.queryRow(`SELECT etag FROM enrollments WHERE is_group = ? AND id = ?`, group, id).Scan(&version)
	return version, err
}

// Enrollment returns an enrollment. It fails with NotFound if the enrollment does not
// exist.
func (s *Store) Enrollment(ctx context.Context, group bool, id string) (Enrollment, error) {
	e := Enrollment{Group: group, ID: id}
	var version int64
	err := s.readDB.QueryRowContext(ctx, `SELECT etag, body FROM enrollments WHERE is_group = ? AND id = ?`, group, id).
		Scan(&version, &e.Body)
	if errors.Is(err, sql.ErrNoRows) {
		err = noEnrollment(id)
	}
	e.ETag = deviceETag(version)
	return e, wrapError("read the enrollment "+id, err)
}

// Enrollments returns all group enrollments if group is true, or else all individual
// enrollments. They are sorted by id.
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

// DeleteEnrollment removes an enrollment. The devices that have registered with it are
// kept. ifMatch must be the enrollment's etag, "*" or empty.
func (s *Store) DeleteEnrollment(ctx context.Context, group bool, id, ifMatch string) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		version, err := s.enrollmentVersion(group, id)
		if errors.Is(err, sql.ErrNoRows) {
			return noEnrollment(id)
		}
		if err != nil {
			return err
		}
		if err := checkMatch(ifMatch, deviceETag(version), "the enrollment "+id); err != nil {
			return err
		}

		_, err = s.exec(`DELETE FROM enrollments WHERE is_group = ? AND id = ?`, group, id)
		return err
	})
	return wrapError("delete the enrollment "+id, err)
}

// SaveRegistration stores the state of a device's registration. It replaces the state of
// the device's previous registration.
func (s *Store) SaveRegistration(ctx context.Context, id string, body []byte) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		_, err := s.exec(`INSERT INTO registrations (id, body) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body`, id, body)
		return err
	})
	return wrapError("store the registration "+id, err)
}

// Registration returns the registration state that SaveRegistration stored for a device,
// or nil.
func (s *Store) Registration(ctx context.Context, id string) (body []byte, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT body FROM registrations WHERE id = ?`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, wrapError("read the registration "+id, err)
}

func noEnrollment(id string) *iothub.Error {
	return iothub.Errorf(iothub.CodeNotFound, "there is no enrollment %s", id)
}
