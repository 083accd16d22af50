package store

import (
	"encoding/json"
	"slices"

	"github.com/latchd/latchd/transport/iothub"
)

// twinRow is a twin as the database stores it. The fields Tags and Properties of the
// embedded Twin are not used; the other fields of twinRow hold these sections.
type twinRow struct {
	iothub.Twin
	tags              string
	desired, reported section
}

const selectTwin = `
	SELECT d.id, d.etag, d.device_etag, d.status, d.status_reason, d.status_updated, d.connection_state, d.last_activity, d.auth_type,
		d.primary_thumbprint, d.secondary_thumbprint, d.model_id, d.iot_edge, d.version, d.tags, d.desired, d.desired_metadata,
		d.desired_version, d.reported, d.reported_metadata, d.reported_version`

const selectOneTwin = selectTwin + ` FROM devices AS d WHERE d.id = ?`

// scanTwin reads a twin from a row of the query selectTwin.
func scanTwin(row scanner) (twinRow, error) {
	var t twinRow
	var statusUpdated, lastActivity int64
	err := row.Scan(&t.DeviceID, &t.ETag, &t.DeviceETag, &t.Status, &t.StatusReason, &statusUpdated, &t.ConnectionState, &lastActivity,
		&t.AuthenticationType, &t.X509Thumbprint.PrimaryThumbprint, &t.X509Thumbprint.SecondaryThumbprint, &t.ModelID,
		&t.Capabilities.IotEdge, &t.Version, &t.tags, &t.desired.text, &t.desired.metadata, &t.desired.version,
		&t.reported.text, &t.reported.metadata, &t.reported.version)
	t.StatusUpdateTime, t.LastActivityTime = fromMicros(statusUpdated), fromMicros(lastActivity)
	return t, err
}

// twin decodes the stored twin.
func (t twinRow) twin() (twin iothub.Twin, err error) {
	twin = t.Twin
	if twin.Tags, err = iothub.ParseObject([]byte(t.tags)); err != nil {
		return twin, err
	}
	if twin.Properties.Desired, err = t.desired.object(true); err != nil {
		return twin, err
	}
	twin.Properties.Reported, err = t.reported.object(true)
	return twin, err
}

// json returns the twin as JSON. To save most of a query's time, it copies the stored
// JSON text of the sections instead of decoding it.
func (t twinRow) json() (json.RawMessage, error) {
	// The nil fields Tags and Properties hide the embedded Twin's fields of the same name
	// from the JSON encoder.
	b, err := json.Marshal(struct {
		iothub.Twin
		Tags       *struct{} `json:"tags,omitempty"`
		Properties *struct{} `json:"properties,omitempty"`
	}{Twin: t.Twin})
	if err != nil {
		return nil, err
	}

	b = b[:len(b)-1] // remove the closing brace
	b = slices.Grow(b, len(t.tags)+t.desired.stored()+t.reported.stored()+200)
	if t.tags != "{}" {
		b = append(append(b, `,"tags":`...), t.tags...)
	}
	b = t.desired.appendJSON(append(b, `,"properties":{"desired":`...))
	b = t.reported.appendJSON(append(b, `,"reported":`...))
	return append(b, "}}"...), nil
}
