package store

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

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

// json returns the twin as JSON, in the form in which [iothub.Twin] is encoded. To save
// most of a query's time, it copies the stored JSON text of the sections instead of
// decoding it, and writes the other members itself.
func (t twinRow) json() json.RawMessage {
	b := make([]byte, 0, 512+len(t.tags)+t.desired.stored()+t.reported.stored())

	b = appendText(b, `{"deviceId":`, t.DeviceID)
	b = appendText(b, `,"etag":`, t.ETag)
	b = appendText(b, `,"deviceEtag":`, t.DeviceETag)
	b = appendText(b, `,"status":`, string(t.Status))
	if t.StatusReason != nil {
		b = appendText(b, `,"statusReason":`, *t.StatusReason)
	}
	b = appendTime(b, `,"statusUpdateTime":`, t.StatusUpdateTime)
	b = appendText(b, `,"connectionState":`, string(t.ConnectionState))
	b = appendTime(b, `,"lastActivityTime":`, t.LastActivityTime)
	b = append(b, `,"cloudToDeviceMessageCount":0`...)
	b = appendText(b, `,"authenticationType":`, string(t.AuthenticationType))
	b = appendOptional(b, `,"x509Thumbprint":{"primaryThumbprint":`, t.X509Thumbprint.PrimaryThumbprint)
	b = appendOptional(b, `,"secondaryThumbprint":`, t.X509Thumbprint.SecondaryThumbprint)
	b = appendText(b, `},"modelId":`, t.ModelID)
	b = strconv.AppendBool(append(b, `,"capabilities":{"iotEdge":`...), t.Capabilities.IotEdge)
	b = strconv.AppendInt(append(b, `},"version":`...), t.Version, 10)

	if t.tags != "{}" {
		b = append(append(b, `,"tags":`...), t.tags...)
	}
	b = t.desired.appendJSON(append(b, `,"properties":{"desired":`...))
	b = t.reported.appendJSON(append(b, `,"reported":`...))
	return append(b, "}}"...)
}

// appendText appends a member, which is given with its comma and colon, and its value.
func appendText(b []byte, member, value string) []byte {
	b = append(b, member...)
	if strings.IndexFunc(value, needsEscape) < 0 {
		return append(append(append(b, '"'), value...), '"')
	}
	text, _ := json.Marshal(value) // a string can always be encoded
	return append(b, text...)
}

// needsEscape reports whether encoding/json may escape a character in a string.
func needsEscape(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }

func appendOptional(b []byte, member string, value *string) []byte {
	if value == nil {
		return append(append(b, member...), "null"...)
	}
	return appendText(b, member, *value)
}

func appendTime(b []byte, member string, at time.Time) []byte {
	b = append(append(b, member...), '"')
	return append(at.AppendFormat(b, time.RFC3339Nano), '"')
}
