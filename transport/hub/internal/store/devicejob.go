package store

import (
	"database/sql"
	"encoding/json"

	"github.com/latchd/latchd/transport/iothub"
)

const selectDeviceJob = `
	SELECT r.device_id, r.job_id, j.type, r.status, r.started, r.ended, r.created, r.updated, r.response_status,
		r.response_payload, r.error_code, r.error_description`

// readDeviceJob reads the state of one device in a job. It returns it as the JSON of an
// iothub.DeviceJob, together with the row's key for continuation tokens.
func readDeviceJob(_ int, row scanner) (json.RawMessage, []string, error) {
	var d iothub.DeviceJob
	var started, ended sql.NullInt64
	var created, updated int64
	var status sql.NullInt64
	var payload []byte
	var code, description sql.NullString
	err := row.Scan(&d.DeviceID, &d.JobID, &d.JobType, &d.Status, &started, &ended, &created, &updated, &status,
		&payload, &code, &description)
	if err != nil {
		return nil, nil, err
	}

	createdAt := fromMicros(created)
	updatedAt := fromMicros(updated)
	d.CreatedDateTimeUTC, d.LastUpdatedDateTimeUTC = &createdAt, &updatedAt
	d.StartTimeUTC, d.EndTimeUTC = fromOptionalMicros(started), fromOptionalMicros(ended)

	if d.Status == iothub.DeviceCompleted || status.Valid {
		d.Outcome = new(iothub.DeviceJobOutcome)
	}
	if status.Valid {
		d.Outcome.DeviceMethodResponse = &iothub.MethodResponse{Status: int(status.Int64), Payload: payload}
	}
	if code.Valid {
		d.Error = &iothub.DeviceJobError{Code: code.String, Description: description.String}
	}

	document, err := json.Marshal(d)
	return document, []string{d.JobID, d.DeviceID}, err
}
