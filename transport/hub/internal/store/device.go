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

// CreateDevice adds a device with an empty twin and returns the stored identity, with new
// generation id, etag and times. If the device logs in with keys, CreateDevice generates
// the missing keys. It fails with DeviceAlreadyExists if the id is in use.
func (s *Store) CreateDevice(ctx context.Context, d iothub.DeviceIdentity) (iothub.DeviceIdentity, error) {
	return s.CreateDeviceWithTwin(ctx, d, iothub.TwinPatch{})
}

// CreateDeviceWithTwin adds a device like CreateDevice, and applies the patch to the
// empty twin in the same write. If the patch is invalid, the device is not added.
func (s *Store) CreateDeviceWithTwin(ctx context.Context, d iothub.DeviceIdentity, patch iothub.TwinPatch) (iothub.DeviceIdentity, error) {
	d, update, err := s.newDevice(d, patch)
	if err != nil {
		return iothub.DeviceIdentity{}, wrapError("create device "+d.DeviceID, err)
	}

	err = s.updateThen(ctx, func(*sql.Tx) error { return s.addDevice(d, update) },
		func() { s.notify(Change{DeviceID: d.DeviceID, Operation: DeviceCreated}) })
	if err != nil {
		return iothub.DeviceIdentity{}, wrapError("create device "+d.DeviceID, err)
	}
	return d, nil
}

// newDevice completes the identity of a device that does not exist yet, and checks the
// patch for its empty twin.
func (s *Store) newDevice(d iothub.DeviceIdentity, patch iothub.TwinPatch) (iothub.DeviceIdentity, *twinUpdate, error) {
	if err := completeIdentity(&d); err != nil {
		return d, nil, err
	}
	update, err := newTwinUpdate(patch, "", false)
	if err != nil {
		return d, nil, err
	}

	// A device that is deleted and created again must not get one of its earlier etags.
	// The generation id and the etag therefore contain random numbers.
	d.GenerationID = strconv.FormatInt(s.now().UnixMicro(), 10) + fmt.Sprintf("%02d", rand.IntN(100))
	d.ETag = deviceETag(1_000_000 + rand.Int64N(900_000_000))
	d.ConnectionState = iothub.Disconnected
	d.ConnectionStateUpdatedTime = time.Time{}
	d.StatusUpdatedTime = time.Time{}
	d.LastActivityTime = time.Time{}
	d.CloudToDeviceMessageCount = 0
	return d, update, nil
}

// addDevice inserts a device that newDevice has returned. Call it only within a write.
func (s *Store) addDevice(d iothub.DeviceIdentity, update *twinUpdate) error {
	if err := s.insertDevice(d, s.now()); err != nil || update.isEmpty() {
		return err
	}
	_, err := s.applyTwinUpdate(d.DeviceID, update)
	return err
}

func (s *Store) insertDevice(d iothub.DeviceIdentity, now time.Time) error {
	a := d.Authentication
	metadata := emptyMetadata(now)
	result, err := s.exec(`
		INSERT INTO devices (id, generation_id, device_etag, status, status_reason, status_updated, connection_state,
			connection_updated, last_activity, auth_type, primary_key, secondary_key, primary_thumbprint,
			secondary_thumbprint, iot_edge, model_id, etag, version, desired_version, reported_version,
			tags, desired, reported, desired_metadata, reported_metadata)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, 2, 1, 1, '{}', '{}', '{}', ?, ?)
		ON CONFLICT (id) DO NOTHING`,
		d.DeviceID, d.GenerationID, d.ETag, d.Status, d.StatusReason, toMicros(d.StatusUpdatedTime), d.ConnectionState,
		toMicros(d.ConnectionStateUpdatedTime), toMicros(d.LastActivityTime), a.Type, a.SymmetricKey.PrimaryKey,
		a.SymmetricKey.SecondaryKey, a.X509Thumbprint.PrimaryThumbprint, a.X509Thumbprint.SecondaryThumbprint,
		d.Capabilities.IotEdge, twinETag(1), metadata, metadata)
	if err != nil {
		return err
	}

	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the device %s already exists", d.DeviceID)
	}
	return err
}

// Device returns the identity of a device, including its keys. It fails with
// DeviceNotFound if the device does not exist.
func (s *Store) Device(ctx context.Context, id string) (iothub.DeviceIdentity, error) {
	d, err := scanDevice(s.readDB.QueryRowContext(ctx, selectDevice+` WHERE id = ?`, id))
	return d, wrapError("read device "+id, notFound(id, err))
}

// Devices returns the identities of the first devices in the order of their ids, at most
// top of them.
func (s *Store) Devices(ctx context.Context, top int) ([]iothub.DeviceIdentity, error) {
	var list []iothub.DeviceIdentity
	err := s.queries.run(ctx, func(ctx context.Context, conn *sql.Conn) error {
		rows, err := conn.QueryContext(ctx, selectDevice+` ORDER BY id LIMIT ?`, top)
		if err != nil {
			return err
		}
		defer rows.Close()

		list = []iothub.DeviceIdentity{}
		for rows.Next() {
			d, err := scanDevice(rows)
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, wrapError("list devices", err)
	}
	return list, nil
}

// UpdateDevice changes a device's status, statusReason, authentication and capabilities,
// and returns the stored identity. If d has no keys, the stored keys are kept. ifMatch
// must be the identity's current etag, "*" or empty.
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
		return s.storeIdentity(stored)
	})
	if err != nil {
		return iothub.DeviceIdentity{}, wrapError("update device "+d.DeviceID, err)
	}
	return stored, nil
}

// storeIdentity writes the fields of an identity that can change. Call it only within a
// write.
func (s *Store) storeIdentity(d iothub.DeviceIdentity) error {
	a := d.Authentication
	_, err := s.exec(`
		UPDATE devices SET device_etag = ?, status = ?, status_reason = ?, status_updated = ?, auth_type = ?,
			primary_key = ?, secondary_key = ?, primary_thumbprint = ?, secondary_thumbprint = ?, iot_edge = ?
		WHERE id = ?`,
		d.ETag, d.Status, d.StatusReason, toMicros(d.StatusUpdatedTime), a.Type,
		a.SymmetricKey.PrimaryKey, a.SymmetricKey.SecondaryKey, a.X509Thumbprint.PrimaryThumbprint,
		a.X509Thumbprint.SecondaryThumbprint, d.Capabilities.IotEdge, d.DeviceID)
	return err
}

// applyIdentity copies the fields that a service may change from d to stored, and
// increments the etag.
func (s *Store) applyIdentity(stored *iothub.DeviceIdentity, d iothub.DeviceIdentity) error {
	if d.Authentication == nil {
		d.Authentication = stored.Authentication
	} else if d.Authentication.Type == stored.Authentication.Type || d.Authentication.Type == "" {
		a := *d.Authentication
		storedKeys := stored.Authentication.SymmetricKey
		if a.SymmetricKey.PrimaryKey == "" {
			a.SymmetricKey.PrimaryKey = storedKeys.PrimaryKey
		}
		if a.SymmetricKey.SecondaryKey == "" {
			a.SymmetricKey.SecondaryKey = storedKeys.SecondaryKey
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

// DeleteDevice removes a device, its twin and its MQTT sessions, but keeps the device's
// results in jobs. ifMatch must be the current etag of the device's identity, "*" or
// empty.
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

		// Also remove the sessions of the device's modules. A module's client id is
		// DEVICE/MODULE, and device ids contain no slash. In ASCII, '0' follows '/', so
		// these client ids lie between DEVICE/ and DEVICE0.
		_, err := s.exec(`DELETE FROM sessions WHERE client_id = ?1 OR client_id > ?1 || '/' AND client_id < ?1 || '0'`, id)
		return err
	}, func() { s.notify(Change{DeviceID: id, Operation: DeviceDeleted}) })
	return wrapError("delete device "+id, err)
}

// Statistics counts the hub's devices.
type Statistics struct{ Total, Enabled, Disabled, Connected int }

// Statistics counts all, enabled, disabled and connected devices.
func (s *Store) Statistics(ctx context.Context) (Statistics, error) {
	var n Statistics
	err := s.readDB.QueryRowContext(ctx, `
		SELECT count(*), count(*) FILTER (WHERE status = ?), count(*) FILTER (WHERE connection_state = ?) FROM devices`,
		iothub.Enabled, iothub.Connected).Scan(&n.Total, &n.Enabled, &n.Connected)
	n.Disabled = n.Total - n.Enabled
	return n, wrapError("count devices", err)
}

// SetConnection records that a device has connected or disconnected. When a device
// connects, modelID is the name of the model that the device announced. SetConnection
// does not wait for the write and ignores errors, because a restart of the hub marks
// every device as disconnected anyway.
func (s *Store) SetConnection(id string, connected bool, modelID string, at time.Time) {
	state, operation := iothub.Disconnected, DeviceDisconnected
	if connected {
		state, operation = iothub.Connected, DeviceConnected
	}

	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := s.disconnectStale(); err != nil {
			return err
		}
		_, err := s.exec(`
			UPDATE devices SET connection_state = ?1, connection_updated = ?2, last_activity = ?2,
				model_id = iif(?3, ?4, model_id) WHERE id = ?5`,
			state, toMicros(at), connected, modelID, id)
		return err
	}, func(err error) {
		if err == nil {
			s.stale = false
			s.notify(Change{DeviceID: id, Operation: operation})
		}
	})
}

const selectDevice = `
	SELECT id, generation_id, device_etag, status, status_reason, status_updated, connection_state, connection_updated,
		last_activity, auth_type, primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge
	FROM devices`

// scanner is a *sql.Row or a *sql.Rows.
type scanner interface{ Scan(...any) error }

// scanDevice reads a device's identity from a row of the query selectDevice.
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

	d.StatusUpdatedTime = fromMicros(statusUpdated)
	d.ConnectionStateUpdatedTime = fromMicros(connectionUpdated)
	d.LastActivityTime = fromMicros(lastActivity)
	d.Authentication = a
	return d, nil
}

// notFound converts sql.ErrNoRows to DeviceNotFound. Other errors stay unchanged.
func notFound(id string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return iothub.Errorf(iothub.CodeDeviceNotFound, "the device %s is not registered", id)
	}
	return err
}

// checkMatch returns an error if the If-Match header of a request does not match the
// stored etag. An empty header and "*" match every etag. The header may contain the etag
// in quotes; empty quotes match no etag.
func checkMatch(ifMatch, etag, what string) error {
	m := strings.Trim(strings.TrimPrefix(strings.TrimSpace(ifMatch), "W/"), `"`)
	if ifMatch == "" || m == "*" || m == etag {
		return nil
	}
	return iothub.Errorf(iothub.CodePreconditionFailed, "%s has changed: its etag is %s, not %s", what, etag, m)
}

// deviceETag returns the etag of a device's identity with the given version: its decimal
// digits in base64.
func deviceETag(version int64) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.FormatInt(version, 10)))
}

// parseDeviceETag returns the version that is encoded in the etag of a device's identity.
func parseDeviceETag(etag string) (int64, error) {
	digits, err := base64.StdEncoding.DecodeString(etag)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(digits), 10, 64)
}
