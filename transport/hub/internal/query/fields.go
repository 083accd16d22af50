package query

import "strings"

// class describes what the compiler knows about the type of a value.
type class int

const (
	none      class = iota // undefined, an object or an array; every comparison with it is undefined
	str                    // a string; SQL's NULL means undefined
	num                    // a number; SQL's NULL means undefined
	boolean                // 1 or 0; SQL's NULL means undefined
	null                   // the JSON value null
	timestamp              // Unix microseconds, which queries see as text; SQL's NULL means undefined
	dynamic                // a JSON text, whose type is known only when the row is read; SQL's NULL means undefined
)

// field is a property that the hub maintains in every document, such as the device's
// status.
type field struct {
	path   string // in lower case
	class  class
	column string // column of devices (d), device_jobs (r) or jobs (j), or an SQL expression
	json   string // SQL expression for the whole JSON text, if column has only a part of it

	omitEmpty bool // if the property is {}, the document lacks it
}

// deviceFields lists the properties that exist in FROM devices. All other properties are
// undefined. A path must come before its own prefixes, such as properties.desired before
// properties.
var deviceFields = []field{
	{path: "tags", class: dynamic, column: "d.tags", omitEmpty: true},
	{path: "properties.desired.$metadata", class: dynamic, column: "d.desired_metadata"},
	{path: "properties.desired.$version", class: num, column: "d.desired_version"},
	{path: "properties.desired", class: dynamic, column: "d.desired", json: desiredJSON},
	{path: "properties.reported.$metadata", class: dynamic, column: "d.reported_metadata"},
	{path: "properties.reported.$version", class: num, column: "d.reported_version"},
	{path: "properties.reported", class: dynamic, column: "d.reported", json: reportedJSON},
	{path: "properties", class: dynamic, column: "'{}'", json: "json_object('desired', json(" + desiredJSON + "), 'reported', json(" + reportedJSON + "))"},
	{path: "deviceid", class: str, column: "d.id"},
	{path: "etag", class: str, column: "d.etag"},
	{path: "deviceetag", class: str, column: "d.device_etag"},
	{path: "version", class: num, column: "d.version"},
	{path: "status", class: str, column: "d.status"},
	{path: "statusreason", class: str, column: "d.status_reason"},
	{path: "statusupdatetime", class: timestamp, column: "d.status_updated"},
	{path: "statusupdatedtime", class: timestamp, column: "d.status_updated"},
	{path: "connectionstate", class: str, column: "d.connection_state"},
	{path: "connectionstateupdatedtime", class: timestamp, column: "d.connection_updated"},
	{path: "lastactivitytime", class: timestamp, column: "d.last_activity"},
	{path: "cloudtodevicemessagecount", class: num, column: "0"},
	{path: "authenticationtype", class: str, column: "d.auth_type"},
	{path: "x509thumbprint.primarythumbprint", class: dynamic, column: "json_quote(d.primary_thumbprint)"},
	{path: "x509thumbprint.secondarythumbprint", class: dynamic, column: "json_quote(d.secondary_thumbprint)"},
	{path: "x509thumbprint", class: dynamic, column: "'{}'", json: "json_object('primaryThumbprint', d.primary_thumbprint, 'secondaryThumbprint', d.secondary_thumbprint)"},
	{path: "modelid", class: str, column: "d.model_id"},
	{path: "capabilities.iotedge", class: boolean, column: "d.iot_edge"},
	{path: "capabilities", class: dynamic, column: "'{}'", json: "json_object('iotEdge', json(iif(d.iot_edge, 'true', 'false')))"},
}

const (
	desiredJSON  = `json_set(d.desired, '$."$metadata"', json(d.desired_metadata), '$."$version"', d.desired_version)`
	reportedJSON = `json_set(d.reported, '$."$metadata"', json(d.reported_metadata), '$."$version"', d.reported_version)`
)

// jobFields lists the properties that exist in FROM devices.jobs. IoT Hub's documentation
// uses createdDateTimeUtc and, in one example, createdTimeUtc; both work.
var jobFields = []field{
	{path: "deviceid", class: str, column: "r.device_id"},
	{path: "jobid", class: str, column: "r.job_id"},
	{path: "jobtype", class: str, column: "j.type"},
	{path: "status", class: str, column: "r.status"},
	{path: "starttimeutc", class: timestamp, column: "r.started"},
	{path: "endtimeutc", class: timestamp, column: "r.ended"},
	{path: "createddatetimeutc", class: timestamp, column: "r.created"},
	{path: "createdtimeutc", class: timestamp, column: "r.created"},
	{path: "lastupdateddatetimeutc", class: timestamp, column: "r.updated"},
	{path: "outcome.devicemethodresponse.status", class: num, column: "r.response_status"},
	{path: "outcome.devicemethodresponse.payload", class: dynamic, column: payloadJSON},
	{path: "outcome.devicemethodresponse", class: dynamic, column: responseJSON},
	{path: "outcome", class: dynamic, column: outcomeJSON},
	{path: "error.code", class: str, column: "r.error_code"},
	{path: "error.description", class: str, column: "CASE WHEN r.error_code IS NOT NULL THEN coalesce(r.error_description, '') END"},
	{path: "error", class: dynamic, column: "CASE WHEN r.error_code IS NOT NULL THEN '{}' END"},
}

// These expressions follow the document that the hub builds from a row: a device with an
// answer has the answer as its outcome, and a device that completed a job without an
// answer has an outcome without one. Only their types matter, because a query of
// devices.jobs selects whole documents, and no comparison with an object is defined.
const (
	outcomeJSON  = "CASE WHEN r.response_status IS NOT NULL OR r.status = 'completed' THEN '{}' END"
	responseJSON = "CASE WHEN r.response_status IS NOT NULL THEN '{}' WHEN r.status = 'completed' THEN 'null' END"
	payloadJSON  = "CASE WHEN r.response_status IS NOT NULL THEN coalesce(r.response_payload, 'null') END"
)

// findField returns the field that contains the property with the path names. below is
// the rest of the path, inside the field.
func findField(collection string, names []string) (f field, below []string, ok bool) {
	fields := deviceFields
	if collection == DeviceJobs {
		fields = jobFields
	}

	for _, f := range fields {
		n := strings.Count(f.path, ".") + 1
		if n > len(names) || n < len(names) && f.class != dynamic {
			continue
		}
		if strings.EqualFold(strings.Join(names[:n], "."), f.path) && !containsDot(names[:n]) {
			return f, names[n:], true
		}
	}
	return field{}, nil, false
}

// isMetadataTime reports whether a property is a time in the metadata of a twin, such as
// properties.desired.$metadata.floor.$lastUpdated. below is the property's path inside
// the field f.
func isMetadataTime(f field, below []string) bool {
	return strings.HasSuffix(f.path, ".$metadata") && len(below) > 0 && below[len(below)-1] == "$lastUpdated"
}

// containsDot reports whether any of the names contains a dot. The single name ['a.b']
// differs from the path a.b.
func containsDot(names []string) bool {
	for _, n := range names {
		if strings.Contains(n, ".") {
			return true
		}
	}
	return false
}

// jsonPath returns the path of a value for SQLite's JSON functions, such as $."a"."b".
// Quotes and backslashes in names are escaped as in JSON.
func jsonPath(names []string) string {
	var b strings.Builder
	b.WriteByte('$')
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, n := range names {
		b.WriteString(`."` + r.Replace(n) + `"`)
	}
	return b.String()
}
