package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// invited is the owner of a device that registered with an invitation and has not logged
// in yet: the enrollment that is the invitation.
type invited struct{ etag, enrollmentID string }

const invitedPrefix = "invitation:"

// owner returns the owner as it is stored. An etag contains no colon.
func (i invited) owner() string { return invitedPrefix + i.etag + ":" + i.enrollmentID }

func parseInvited(owner string) (i invited, ok bool) {
	rest, ok := strings.CutPrefix(owner, invitedPrefix)
	if !ok {
		return invited{}, false
	}
	i.etag, i.enrollmentID, ok = strings.Cut(rest, ":")
	return i, ok
}

// LoginDevice is like Device, but also reports whether the device registered with an
// invitation and has not logged in yet. The caller must then call Redeem before it accepts
// a login with the device's key.
func (s *Store) LoginDevice(ctx context.Context, id string) (device iothub.DeviceIdentity, invited bool, err error) {
	var owner sql.NullString
	row := withOwner{rowByID(ctx, s.login, id), &owner}
	device, err = scanDevice(row)
	_, invited = parseInvited(owner.String)
	return device, invited, wrapError("read device "+id, notFound(id, err))
}

// selectLogin is selectDevice with the owner as its last column.
var selectLogin = strings.Replace(selectDevice, "iot_edge", "iot_edge, owner", 1)

// withOwner is a row of the query selectLogin.
type withOwner struct {
	scanner
	owner *sql.NullString
}

func (w withOwner) Scan(columns ...any) error { return w.scanner.Scan(append(columns, w.owner)...) }

// Redeem ends the invitation with which a device registered: it deletes the enrollment, so
// that nobody can register with it again. login is the identity with which the device's
// login was checked. If the device has registered again meanwhile, and thus has another
// key, Redeem fails with Unauthorized. It does nothing if the invitation has ended already.
func (s *Store) Redeem(ctx context.Context, login iothub.DeviceIdentity) error {
	err := s.Update(ctx, func(*sql.Tx) error {
		var owner sql.NullString
		device, err := scanDevice(withOwner{s.queryRow(selectLogin+` WHERE id = ?`, login.DeviceID), &owner})
		if err != nil {
			return notFound(login.DeviceID, err)
		}
		if device.GenerationID != login.GenerationID || !sameAuthentication(*device.Authentication, *login.Authentication) {
			return iothub.Errorf(iothub.CodeUnauthorized, "the key of device %s has changed, connect again", login.DeviceID)
		}

		i, ok := parseInvited(owner.String)
		if !ok {
			return nil
		}
		return s.endInvitation(login.DeviceID, i)
	})
	return wrapError("redeem the invitation of "+login.DeviceID, err)
}

// endInvitation deletes the enrollment of an invitation, unless a newer one has replaced
// it. The device then belongs to the enrollments of this id. Call it only within a write.
func (s *Store) endInvitation(deviceID string, i invited) error {
	id, version, err := s.enrollmentVersion(false, i.enrollmentID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case deviceETag(version) == i.etag:
		if _, err := s.exec(`DELETE FROM enrollments WHERE is_group = 0 AND id = ?`, id); err != nil {
			return err
		}
	}

	_, err = s.exec(`UPDATE devices SET owner = ? WHERE id = ?`, enrollmentOwner(i.enrollmentID), deviceID)
	return err
}

// OwnedByEnrollment reports whether the enrollment of a single device registered the device.
// Only then can it register the device again.
func (s *Store) OwnedByEnrollment(ctx context.Context, deviceID, enrollmentID string) (bool, error) {
	var owner sql.NullString
	err := s.readDB.QueryRowContext(ctx, `SELECT owner FROM devices WHERE id = ?`, deviceID).Scan(&owner)
	if err != nil {
		return false, wrapError("read the owner of "+deviceID, notFound(deviceID, err))
	}
	return DeviceRegistration{EnrollmentID: enrollmentID, RegistrationID: enrollmentID}.owns(owner.String), nil
}

// EndInvitations ends all invitations of doors and persons whose codes are still valid.
func (s *Store) EndInvitations(ctx context.Context) error {
	return wrapError("end the invitations", s.Update(ctx, func(*sql.Tx) error {
		for _, statement := range []string{
			`DELETE FROM enrollments WHERE json_extract(CAST(body AS TEXT), '$.invitation') IS NOT NULL`,
			`DELETE FROM people WHERE json_extract(CAST(body AS TEXT), '$.key') IS NULL`,
			`UPDATE people SET body = json_remove(CAST(body AS TEXT), '$.code')`,
		} {
			if _, err := s.exec(statement); err != nil {
				return err
			}
		}
		return nil
	}))
}
