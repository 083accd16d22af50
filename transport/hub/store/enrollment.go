package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/latchd/latchd/transport/iothub"
)

// Enrollment is an entry of the provisioning service, for one device or for a
// group of them. What it says is Body, which the store does not read.
type Enrollment struct {
	Group bool
	ID    string
	ETag  string
	Body  []byte
}

// IDScope names the hub's provisioning service to devices. It is made once.
func (s *Store) IDScope() string { return s.idScope }

// PutEnrollment stores an enrolment and returns its new etag. Without ifMatch it
// must be a new one; with an etag, or "*", it must be there.
func (s *Store) PutEnrollment(ctx context.Context, e Enrollment, ifMatch string) (etag string, err error) {
	err = s.Update(ctx, func(tx *sql.Tx) error {
		var version int64
		err := s.queryRow(`SELECT etag FROM enrollments WHERE is_group = ? AND id = ?`, e.Group, e.ID).Scan(&version)
		found := err == nil
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case found && ifMatch == "":
			return iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the enrolment %s exists already, give its etag in If-Match to change it", e.ID)
		case !found && ifMatch != "":
			return noEnrollment(e.ID)
		case found:
			if err := checkMatch(ifMatch, deviceETag(version), "the enrolment "+e.ID); err != nil {
				return err
			}
			version++
		default:
			version = s.now().UnixMilli() // unlike that of an earlier one of the name
		}
		etag = deviceETag(version)
		_, err = s.exec(`INSERT INTO enrollments (is_group, id, etag, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (is_group, id) DO UPDATE SET etag = excluded.etag, body = excluded.body`, e.Group, e.ID, version, e.Body)
		return err
	})
	return etag, failed("store the enrolment "+e.ID, err)
}

// Enrollment returns an enrolment, or NotFound.
func (s *Store) Enrollment(ctx context.Context, group bool, id string) (Enrollment, error) {
	e := Enrollment{Group: group, ID: id}
	var version int64
	err := s.readDB.QueryRowContext(ctx, `SELECT etag, body FROM enrollments WHERE is_group = ? AND id = ?`, group, id).
		Scan(&version, &e.Body)
	if errors.Is(err, sql.ErrNoRows) {
		err = noEnrollment(id)
	}
	e.ETag = deviceETag(version)
	return e, failed("read the enrolment "+id, err)
}

// Enrollments returns all enrolments of a kind, in the order of their ids.
func (s *Store) Enrollments(ctx context.Context, group bool) ([]Enrollment, error) {
	rows, err := s.readDB.QueryContext(ctx, `SELECT id, etag, body FROM enrollments WHERE is_group = ? ORDER BY id`, group)
	if err != nil {
		return nil, failed("list enrolments", err)
	}
	defer rows.Close()
	var list []Enrollment
	for rows.Next() {
		e := Enrollment{Group: group}
		var version int64
		if err := rows.Scan(&e.ID, &version, &e.Body); err != nil {
			return nil, failed("list enrolments", err)
		}
		e.ETag = deviceETag(version)
		list = append(list, e)
	}
	return list, failed("list enrolments", rows.Err())
}

// DeleteEnrollment removes an enrolment. Devices that came by it stay.
func (s *Store) DeleteEnrollment(ctx context.Context, group bool, id, ifMatch string) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		var version int64
		err := s.queryRow(`SELECT etag FROM enrollments WHERE is_group = ? AND id = ?`, group, id).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			return noEnrollment(id)
		}
		if err != nil {
			return err
		}
		if err := checkMatch(ifMatch, deviceETag(version), "the enrolment "+id); err != nil {
			return err
		}
		_, err = s.exec(`DELETE FROM enrollments WHERE is_group = ? AND id = ?`, group, id)
		return err
	})
	return failed("delete the enrolment "+id, err)
}

// SaveRegistration keeps how a device was registered, in place of what was before.
func (s *Store) SaveRegistration(ctx context.Context, id string, body []byte) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		_, err := s.exec(`INSERT INTO registrations (id, body) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body`, id, body)
		return err
	})
	return failed("store the registration "+id, err)
}

// Registration returns what SaveRegistration kept, or nil.
func (s *Store) Registration(ctx context.Context, id string) (body []byte, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT body FROM registrations WHERE id = ?`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, failed("read the registration "+id, err)
}

func noEnrollment(id string) *iothub.Error {
	return iothub.Errorf(iothub.CodeNotFound, "there is no enrolment %s", id)
}
