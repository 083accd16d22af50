package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// CreateDevice adds a device with an empty twin and returns the identity as it
// is stored: with a generation, an etag, its times and, for a device that logs in
// by key, keys in place of empty ones. An id in use is refused with
// DeviceAlreadyExists.
func (s *Store) CreateDevice(ctx context.Context, d iothub.DeviceIdentity) (iothub.DeviceIdentity, error) {
	return s.CreateDeviceWithTwin(ctx, d, iothub.TwinPatch{})
}

// CreateDeviceWithTwin is CreateDevice with a twin that is not empty: the patch is
// laid over it in the same write, and a patch that is refused leaves no device.
func (s *Store) CreateDeviceWithTwin(ctx context.Context, d iothub.DeviceIdentity, patch iothub.TwinPatch) (iothub.DeviceIdentity, error) {
	if err := completeIdentity(&d); err != nil {
		return iothub.DeviceIdentity{}, err
	}
	change, err := newTwinChange(patch, "", false)
	if err != nil {
		return iothub.DeviceIdentity{}, failed("create device "+d.DeviceID, err)
	}
	now := s.now()
	// Both begin at chance, so that a device that was deleted and made again does
	// not have the etags that were given out before.
	d.GenerationID = strconv.FormatInt(now.UnixMicro(), 10) + fmt.Sprintf("%02d", rand.IntN(100))
	d.ETag = deviceETag(1_000_000 + rand.Int64N(900_000_000))
	d.ConnectionState = iothub.Disconnected
	d.ConnectionStateUpdatedTime, d.StatusUpdatedTime, d.LastActivityTime = time.Time{}, time.Time{}, time.Time{}
	d.CloudToDeviceMessageCount = 0
	metadata := firstMetadata(now)
	err = s.updateThen(ctx, func(tx *sql.Tx) error {
		a := d.Authentication
		result, err := s.exec(`
			INSERT INTO devices (id, generation_id, device_etag, status, status_reason, status_updated, connection_state,
				connection_updated, last_activity, auth_type, primary_key, secondary_key, primary_thumbprint,
				secondary_thumbprint, iot_edge, model_id, etag, version, desired_version, reported_version,
				tags, desired, reported, desired_metadata, reported_metadata)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, 2, 1, 1, '{}', '{}', '{}', ?, ?)
			ON CONFLICT (id) DO NOTHING`,
			d.DeviceID, d.GenerationID, d.ETag, d.Status, d.StatusReason, micros(d.StatusUpdatedTime), d.ConnectionState,
			micros(d.ConnectionStateUpdatedTime), micros(d.LastActivityTime), a.Type, a.SymmetricKey.PrimaryKey,
			a.SymmetricKey.SecondaryKey, a.X509Thumbprint.PrimaryThumbprint, a.X509Thumbprint.SecondaryThumbprint,
			d.Capabilities.IotEdge, twinETag(1), metadata, metadata)
		if err != nil {
			return err
		}
		switch n, err := result.RowsAffected(); {
		case err != nil:
			return err
		case n == 0:
			return iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the device %s exists already", d.DeviceID)
		case change.tags == nil && change.desired == nil:
			return nil
		}
		_, err = s.changeTwin(d.DeviceID, change)
		return err
	}, func() { s.tell(Change{DeviceID: d.DeviceID, Operation: DeviceCreated}) })
	if err != nil {
		return iothub.DeviceIdentity{}, failed("create device "+d.DeviceID, err)
	}
	return d, nil
}

// Device returns a device's identity, with its keys, or DeviceNotFound.
func (s *Store) Device(ctx context.Context, id string) (iothub.DeviceIdentity, error) {
	d, err := scanDevice(s.readDB.QueryRowContext(ctx, selectDevice+` WHERE id = ?`, id))
	return d, failed("read device "+id, notFound(id, err))
}

// Devices returns the first devices in the order of their ids, at most top.
func (s *Store) Devices(ctx context.Context, top int) ([]iothub.DeviceIdentity, error) {
	rows, err := s.readDB.QueryContext(ctx, selectDevice+` ORDER BY id LIMIT ?`, top)
	if err != nil {
		return nil, failed("list devices", err)
	}
	defer rows.Close()
	list := []iothub.DeviceIdentity{}
	for rows.Next() {
		d, err := scanDevice(rows)
		if err != nil {
			return nil, failed("list devices", err)
		}
		list = append(list, d)
	}
	return list, failed("list devices", rows.Err())
}

// UpdateDevice changes what the service may change: status and its reason,
// authentication and capabilities. Empty keys leave the stored ones. It returns
// the identity as it is then. ifMatch is an etag of the identity, "*" or empty.
func (s *Store) UpdateDevice(ctx context.Context, d iothub.DeviceIdentity, ifMatch string) (iothub.DeviceIdentity, error) {
	var stored iothub.DeviceIdentity
	err := s.Update(ctx, func(tx *sql.Tx) (err error) {
		stored, err = scanDevice(s.queryRow(selectDevice+` WHERE id = ?`, d.DeviceID))
		if err != nil {
			return notFound(d.DeviceID, err)
		}
		if err := checkMatch(ifMatch, stored.ETag, "the device "+d.DeviceID); err != nil {
			return err
		}
		if err := s.applyIdentity(&stored, d); err != nil {
			return err
		}
		a := stored.Authentication
		_, err = s.exec(`
			UPDATE devices SET device_etag = ?, status = ?, status_reason = ?, status_updated = ?, auth_type = ?,
				primary_key = ?, secondary_key = ?, primary_thumbprint = ?, secondary_thumbprint = ?, iot_edge = ?
			WHERE id = ?`,
			stored.ETag, stored.Status, stored.StatusReason, micros(stored.StatusUpdatedTime), a.Type,
			a.SymmetricKey.PrimaryKey, a.SymmetricKey.SecondaryKey, a.X509Thumbprint.PrimaryThumbprint,
			a.X509Thumbprint.SecondaryThumbprint, stored.Capabilities.IotEdge, stored.DeviceID)
		return err
	})
	if err != nil {
		return iothub.DeviceIdentity{}, failed("update device "+d.DeviceID, err)
	}
	return stored, nil
}

// applyIdentity lays over stored what of d may change, and raises the etag.
func (s *Store) applyIdentity(stored *iothub.DeviceIdentity, d iothub.DeviceIdentity) error {
	if d.Authentication == nil {
		d.Authentication = stored.Authentication
	} else if d.Authentication.Type == stored.Authentication.Type || d.Authentication.Type == "" {
		a := *d.Authentication
		keys := stored.Authentication.SymmetricKey
		if a.SymmetricKey.PrimaryKey == "" {
			a.SymmetricKey.PrimaryKey = keys.PrimaryKey
		}
		if a.SymmetricKey.SecondaryKey == "" {
			a.SymmetricKey.SecondaryKey = keys.SecondaryKey
		}
		d.Authentication = &a
	}
	if d.Status == "" {
		d.Status = stored.Status
	}
	if err := completeIdentity(&d); err != nil {
		return err
	}
	if d.Status != stored.Status {
		stored.StatusUpdatedTime = s.now().UTC().Truncate(time.Microsecond)
	}
	stored.Status, stored.StatusReason = d.Status, d.StatusReason
	stored.Authentication, stored.Capabilities = d.Authentication, d.Capabilities
	version, err := parseDeviceETag(stored.ETag)
	stored.ETag = deviceETag(version + 1)
	return err
}

// DeleteDevice removes a device with its twin and its sessions. Rows of jobs
// stay. ifMatch is an etag of the identity, "*" or empty.
func (s *Store) DeleteDevice(ctx context.Context, id, ifMatch string) error {
	err := s.updateThen(ctx, func(tx *sql.Tx) error {
		var etag string
		if err := s.queryRow(`SELECT device_etag FROM devices WHERE id = ?`, id).Scan(&etag); err != nil {
			return notFound(id, err)
		}
		if err := checkMatch(ifMatch, etag, "the device "+id); err != nil {
			return err
		}
		if _, err := s.exec(`DELETE FROM devices WHERE id = ?`, id); err != nil {
			return err
		}
		// A module's client id is DEVICE/MODULE; an id itself has no slash, and '0'
		// is the character after it.
		_, err := s.exec(`DELETE FROM sessions WHERE client_id = ?1 OR client_id > ?1 || '/' AND client_id < ?1 || '0'`, id)
		return err
	}, func() { s.tell(Change{DeviceID: id, Operation: DeviceDeleted}) })
	return failed("delete device "+id, err)
}

// Statistics counts the devices.
type Statistics struct{ Total, Enabled, Disabled, Connected int }

// Statistics counts the devices.
func (s *Store) Statistics(ctx context.Context) (Statistics, error) {
	var n Statistics
	err := s.readDB.QueryRowContext(ctx, `
		SELECT count(*), count(*) FILTER (WHERE status = ?), count(*) FILTER (WHERE connection_state = ?) FROM devices`,
		iothub.Enabled, iothub.Connected).Scan(&n.Total, &n.Enabled, &n.Connected)
	n.Disabled = n.Total - n.Enabled
	return n, failed("count devices", err)
}

// SetConnection notes that a device has connected, with the model that it
// announced, or that its link has ended. It is queued like any write, but nobody
// is told of its end: after a restart all devices are disconnected anyway.
func (s *Store) SetConnection(id string, connected bool, modelID string, at time.Time) {
	state, operation := iothub.Disconnected, DeviceDisconnected
	if connected {
		state, operation = iothub.Connected, DeviceConnected
	}
	s.UpdateAsync(func(tx *sql.Tx) error {
		_, err := s.exec(`
			UPDATE devices SET connection_state = ?1, connection_updated = ?2, last_activity = ?2,
				model_id = iif(?3, ?4, model_id) WHERE id = ?5`,
			state, micros(at), connected, modelID, id)
		return err
	}, func(err error) {
		if err == nil {
			s.tell(Change{DeviceID: id, Operation: operation})
		}
	})
}

const selectDevice = `
	SELECT id, generation_id, device_etag, status, status_reason, status_updated, connection_state, connection_updated,
		last_activity, auth_type, primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge
	FROM devices`

// scanner is a row or the rows of a query.
type scanner interface{ Scan(...any) error }

func scanDevice(row scanner) (iothub.DeviceIdentity, error) {
	var d iothub.DeviceIdentity
	var statusUpdated, connectionUpdated, lastActivity int64
	a := new(iothub.Authentication)
	err := row.Scan(&d.DeviceID, &d.GenerationID, &d.ETag, &d.Status, &d.StatusReason, &statusUpdated,
		&d.ConnectionState, &connectionUpdated, &lastActivity, &a.Type, &a.SymmetricKey.PrimaryKey,
		&a.SymmetricKey.SecondaryKey, &a.X509Thumbprint.PrimaryThumbprint, &a.X509Thumbprint.SecondaryThumbprint,
		&d.Capabilities.IotEdge)
	if err != nil {
		return iothub.DeviceIdentity{}, err
	}
	d.StatusUpdatedTime, d.ConnectionStateUpdatedTime, d.LastActivityTime =
		moment(statusUpdated), moment(connectionUpdated), moment(lastActivity)
	d.Authentication = a
	return d, nil
}

// notFound turns the absence of a row into DeviceNotFound.
func notFound(id string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return iothub.Errorf(iothub.CodeDeviceNotFound, "the device %s is not registered", id)
	}
	return err
}

// checkMatch compares an If-Match with an etag: both may be quoted or not. "" with
// its quotes matches none.
func checkMatch(ifMatch, etag, what string) error {
	m := strings.Trim(strings.TrimPrefix(strings.TrimSpace(ifMatch), "W/"), `"`)
	if ifMatch == "" || m == "*" || m == etag {
		return nil
	}
	return iothub.Errorf(iothub.CodePreconditionFailed, "%s has changed: its etag is %s, not %s", what, etag, m)
}

// deviceETag gives the etag of an identity: the number's digits in base64.
func deviceETag(version int64) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.FormatInt(version, 10)))
}

func parseDeviceETag(etag string) (int64, error) {
	digits, err := base64.StdEncoding.DecodeString(etag)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(digits), 10, 64)
}
