package query

import "strings"

// class is what is known of a value before a row is read.
type class int

const (
	none    class = iota // undefined, or an object or array: nothing compares with it
	str                  // text, or NULL for undefined
	num                  // number, or NULL for undefined
	boolean              // 1, 0, or NULL for undefined
	null                 // JSON's null
	moment               // Unix microseconds, or NULL for undefined; reads as text
	object               // an object of the hub's own: it is there, and that is all
	dynamic              // a place in a column of JSON: anything
)

// field is a property of the documents that the hub itself keeps.
type field struct {
	path   string // in lower case
	class  class
	column string // of the tables devices d; or device_jobs r and jobs j
	json   string // of an object: SQL that makes its JSON text
}

// deviceFields are those of FROM devices. Longer paths stand before their
// beginnings. What is not in the list is undefined, as in a document that lacks it.
var deviceFields = []field{
	{path: "tags", class: dynamic, column: "d.tags"},
	{path: "properties.desired.$metadata", class: dynamic, column: "d.desired_metadata"},
	{path: "properties.desired.$version", class: num, column: "d.desired_version"},
	{path: "properties.desired", class: dynamic, column: "d.desired", json: desiredJSON},
	{path: "properties.reported.$metadata", class: dynamic, column: "d.reported_metadata"},
	{path: "properties.reported.$version", class: num, column: "d.reported_version"},
	{path: "properties.reported", class: dynamic, column: "d.reported", json: reportedJSON},
	{path: "properties", class: object, json: "json_object('desired', json(" + desiredJSON + "), 'reported', json(" + reportedJSON + "))"},
	{path: "deviceid", class: str, column: "d.id"},
	{path: "etag", class: str, column: "d.etag"},
	{path: "deviceetag", class: str, column: "d.device_etag"},
	{path: "version", class: num, column: "d.version"},
	{path: "status", class: str, column: "d.status"},
	{path: "statusreason", class: str, column: "d.status_reason"},
	{path: "statusupdatetime", class: moment, column: "d.status_updated"},
	{path: "statusupdatedtime", class: moment, column: "d.status_updated"},
	{path: "connectionstate", class: str, column: "d.connection_state"},
	{path: "connectionstateupdatedtime", class: moment, column: "d.connection_updated"},
	{path: "lastactivitytime", class: moment, column: "d.last_activity"},
	{path: "cloudtodevicemessagecount", class: num, column: "0"},
	{path: "authenticationtype", class: str, column: "d.auth_type"},
	{path: "x509thumbprint.primarythumbprint", class: str, column: "d.primary_thumbprint"},
	{path: "x509thumbprint.secondarythumbprint", class: str, column: "d.secondary_thumbprint"},
	{path: "x509thumbprint", class: object, json: "json_object('primaryThumbprint', d.primary_thumbprint, 'secondaryThumbprint', d.secondary_thumbprint)"},
	{path: "modelid", class: str, column: "d.model_id"},
	{path: "capabilities.iotedge", class: boolean, column: "d.iot_edge"},
	{path: "capabilities", class: object, json: "json_object('iotEdge', json(iif(d.iot_edge, 'true', 'false')))"},
}

const (
	desiredJSON  = `json_set(d.desired, '$."$metadata"', json(d.desired_metadata), '$."$version"', d.desired_version)`
	reportedJSON = `json_set(d.reported, '$."$metadata"', json(d.reported_metadata), '$."$version"', d.reported_version)`
)

// jobFields are those of FROM devices.jobs. createdTimeUtc is how an example of
// the documentation calls createdDateTimeUtc.
var jobFields = []field{
	{path: "deviceid", class: str, column: "r.device_id"},
	{path: "jobid", class: str, column: "r.job_id"},
	{path: "jobtype", class: str, column: "j.type"},
	{path: "status", class: str, column: "r.status"},
	{path: "starttimeutc", class: moment, column: "r.started"},
	{path: "endtimeutc", class: moment, column: "r.ended"},
	{path: "createddatetimeutc", class: moment, column: "r.created"},
	{path: "createdtimeutc", class: moment, column: "r.created"},
	{path: "lastupdateddatetimeutc", class: moment, column: "r.updated"},
	{path: "outcome.devicemethodresponse.status", class: num, column: "r.response_status"},
	{path: "outcome.devicemethodresponse.payload", class: dynamic, column: "r.response_payload"},
	{path: "error.code", class: str, column: "r.error_code"},
	{path: "error.description", class: str, column: "r.error_description"},
}

// find returns the field that the path is in and the names below it.
func find(collection string, names []string) (f field, below []string, ok bool) {
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

// containsDot tells ['a.b'] from a.b.
func containsDot(names []string) bool {
	for _, n := range names {
		if strings.Contains(n, ".") {
			return true
		}
	}
	return false
}

// jsonPath gives names as SQLite's JSON functions take a path. Names stand in
// quotes, in which quotes and backslashes are escaped as in JSON.
func jsonPath(names []string) string {
	var b strings.Builder
	b.WriteByte('$')
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, n := range names {
		b.WriteString(`."` + r.Replace(n) + `"`)
	}
	return b.String()
}
