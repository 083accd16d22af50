package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// DeviceRegistration is the registration of a device by an enrollment. Group,
// EnrollmentID and RegistrationID name the enrollment and the registration.
type DeviceRegistration struct {
	Group          bool // the enrollment is a group enrollment
	EnrollmentID   string
	EnrollmentETag string // etag of the enrollment that admitted the device
	RegistrationID string
	Invitation     bool // the first login of the device ends the enrollment, see Redeem

	DeviceID       string
	Authentication iothub.Authentication // credentials of the device after the registration
	InitialTwin    iothub.TwinPatch      // twin of a new device; not used if the device exists
}

// owner returns the stored name of the enrollment, which owns the devices that it
// registers.
func (r DeviceRegistration) owner() string {
	switch {
	case r.Group:
		return "group:" + r.EnrollmentID
	case r.Invitation:
		return invited{r.EnrollmentETag, r.EnrollmentID}.owner()
	}
	return enrollmentOwner(r.EnrollmentID)
}

func enrollmentOwner(enrollmentID string) string { return "enrollment:" + enrollmentID }

// owns reports whether the enrollment owns the devices with the given stored owner.
func (r DeviceRegistration) owns(owner string) bool {
	if i, ok := parseInvited(owner); ok {
		owner = enrollmentOwner(i.enrollmentID)
	}
	own := r
	own.Invitation = false
	return strings.EqualFold(owner, own.owner()) || strings.EqualFold(owner, r.registrationOwner())
}

// registrationOwner returns the stored owner of a device that registered with a release
// that did not record enrollments.
func (r DeviceRegistration) registrationOwner() string { return "registration:" + r.RegistrationID }

// RegisterDevice creates the device of a registration, with its initial twin. If the
// enrollment registered the device earlier, RegisterDevice only replaces the device's
// credentials, and reports in changed whether they were different. The device keeps its
// twin and its status.
//
// An enrollment owns only the devices that it registered. RegisterDevice fails with
// DeviceAlreadyExists if a service or another enrollment created the device. It fails with
// Unauthorized if the enrollment has changed since it admitted the device.
func (s *Store) RegisterDevice(ctx context.Context, r DeviceRegistration) (device iothub.DeviceIdentity, changed bool, err error) {
	d, update, err := s.newDevice(iothub.DeviceIdentity{DeviceID: r.DeviceID, Authentication: &r.Authentication}, r.InitialTwin)
	if err != nil {
		return iothub.DeviceIdentity{}, false, wrapError("register device "+r.DeviceID, err)
	}

	created := false
	err = s.updateThen(ctx, func(*sql.Tx) (err error) {
		if err := s.checkEnrollment(r); err != nil {
			return err
		}

		device, err = scanDevice(s.queryRow(selectDevice+` WHERE id = ?`, r.DeviceID))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			device, created = d, true
			err = s.addDevice(d, update)
		case err == nil:
			changed, err = s.registerAgain(&device, r)
		}
		if err != nil {
			return err
		}

		_, err = s.exec(`UPDATE devices SET owner = ? WHERE id = ?`, r.owner(), r.DeviceID)
		return err
	}, func() {
		if created {
			s.notify(Change{DeviceID: r.DeviceID, Operation: DeviceCreated})
		}
	})
	return device, changed, wrapError("register device "+r.DeviceID, err)
}

// checkEnrollment returns an error if the enrollment has changed since it admitted the
// device. Call it only within a write.
func (s *Store) checkEnrollment(r DeviceRegistration) error {
	_, version, err := s.enrollmentVersion(r.Group, r.EnrollmentID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err != nil || deviceETag(version) != r.EnrollmentETag {
		return iothub.Errorf(iothub.CodeUnauthorized, "the enrollment %s has changed, connect again", r.EnrollmentID)
	}
	return nil
}

// registerAgain gives an existing device the credentials of a registration, and reports
// whether they were different. Call it only within a write.
func (s *Store) registerAgain(device *iothub.DeviceIdentity, r DeviceRegistration) (changed bool, err error) {
	var owner sql.NullString
	if err := s.queryRow(`SELECT owner FROM devices WHERE id = ?`, r.DeviceID).Scan(&owner); err != nil {
		return false, err
	}
	if !r.owns(owner.String) {
		return false, iothub.Errorf(iothub.CodeDeviceAlreadyExists,
			"the device %s already exists, and the enrollment %s did not register it: use another device id or delete the device",
			r.DeviceID, r.EnrollmentID)
	}

	if sameAuthentication(*device.Authentication, r.Authentication) {
		return false, nil
	}
	authentication := r.Authentication
	if err := s.applyIdentity(device, iothub.DeviceIdentity{
		DeviceID: r.DeviceID, Status: device.Status, StatusReason: device.StatusReason,
		Authentication: &authentication, Capabilities: device.Capabilities,
	}); err != nil {
		return false, err
	}
	return true, s.storeIdentity(*device)
}

func sameAuthentication(a, b iothub.Authentication) bool {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	return a.Type == b.Type && a.SymmetricKey == b.SymmetricKey &&
		text(a.X509Thumbprint.PrimaryThumbprint) == text(b.X509Thumbprint.PrimaryThumbprint) &&
		text(a.X509Thumbprint.SecondaryThumbprint) == text(b.X509Thumbprint.SecondaryThumbprint)
}

// SaveRegistration stores the state of a device's latest registration.
func (s *Store) SaveRegistration(ctx context.Context, id string, body []byte) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		_, err := s.exec(`INSERT INTO registrations (id, body) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body`, id, body)
		return err
	})
	return wrapError("store the registration "+id, err)
}

// Registration returns the state of a device's latest registration, or nil if the device
// has never registered.
func (s *Store) Registration(ctx context.Context, id string) (body []byte, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT body FROM registrations
		WHERE id = ?1 COLLATE NOCASE ORDER BY id = ?1 DESC, id LIMIT 1`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, wrapError("read the registration "+id, err)
}
