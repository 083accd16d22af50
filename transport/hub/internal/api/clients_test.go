package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

const thumbprint = "0123456789ABCDEF0123456789ABCDEF01234567"

// TestClients sends requests in the form in which each client of IoT Hub sends them. The
// rows run in their order against one hub.
func TestClients(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	f.broker.answers["d1"] = func(m iothub.MethodRequest) (iothub.MethodResponse, error) {
		payload := fmt.Sprintf(`{"name":%q,"response":%d,"connect":%d}`, m.MethodName, m.ResponseTimeoutInSeconds, m.ConnectTimeoutInSeconds)
		return iothub.MethodResponse{Status: 200, Payload: json.RawMessage(payload)}, nil
	}
	f.must(200, "PUT /enrollments/e1", `{"attestation":{"type":"symmetricKey"}}`, nil)
	f.must(200, "PUT /enrollmentGroups/g1", `{"attestation":{"type":"symmetricKey"}}`, nil)

	for _, test := range []struct {
		client, request, body string
		header                string
		status                int
		want                  []string // texts that the answer must contain
	}{
		// az with the azure-iot extension: numbers as text, the old jobs API, queries without FROM.
		{"az", "PUT /devices/az1", `{"deviceId":"az1","status":"enabled","authentication":{"type":"sas","symmetricKey":{}},"capabilities":{"iotEdge":"False"}}`, "", 200, []string{`"iotEdge":false`, `"primaryThumbprint":null`, `"secondaryThumbprint":null`}},
		{"az", "PUT /devices/az2", `{"deviceId":"az2","authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"` + thumbprint + `"}}}`, "", 200, []string{`"primaryThumbprint":"` + thumbprint + `"`, `"secondaryThumbprint":null`}},
		{"az", "PUT /devices/az3", `{"deviceId":"az3","capabilities":{"iotEdge":true}}`, "", 400, []string{"capabilities.iotEdge is true", "does not support IoT Edge"}},
		{"az", "PUT /devices/az3", `{"deviceId":"az3","deviceScope":"ms-azure-iot-edge://e-1"}`, "", 400, []string{"deviceScope is", "IoT Edge"}},
		{"az", "PUT /devices/az1", `{"deviceId":"az1","capabilities":{"iotEdge":true}}`, `If-Match: "*"`, 400, []string{"capabilities.iotEdge is true"}},
		{"az", "POST /twins/d1/methods", `{"methodName":"lockDoor","payload":{},"responseTimeoutInSeconds":"30","connectTimeoutInSeconds":"20"}`, "", 200, []string{`"response":30`, `"connect":20`}},
		{"az", "PUT /jobs/v2/az1", `{"jobId":"az1","type":"scheduleDeviceMethod","queryCondition":"*","startTime":"2031-11-23T12:00:00Z","maxExecutionTimeInSeconds":"600","cloudToDeviceMethod":{"methodName":"lockDoor","payload":{},"responseTimeoutInSeconds":"30","connectTimeoutInSeconds":"30"}}`, "", 200, []string{`"maxExecutionTimeInSeconds":600`, `"responseTimeoutInSeconds":30`, `"startTime":"2031-11-23T12:00:00Z"`}},
		{"az", "PUT /jobs/v2/az2", `{"jobId":"az2","type":"scheduleUpdateTwin","queryCondition":"*","startTime":"","updateTwin":{"etag":"*","tags":{"a":1}}}`, "", 200, []string{`"status":"queued"`}},
		{"az", "GET /jobs", "", "", 200, []string{"[]"}},
		{"az", "GET /jobs/v2/query?api-version=2021-04-12&jobType=export", "", "", 200, []string{"[]"}},
		{"az", "POST /enrollments/query", `{"query":"SELECT *"}`, "", 200, []string{`"registrationId":"e1"`}},
		{"az", "POST /enrollments/query", `{"query":"{'additional_properties': {}, 'query': 'SELECT *'}"}`, "", 200, []string{`"registrationId":"e1"`}},
		{"az", "POST /enrollments/query", `{"query":"{'additional_properties': {}, 'query': 'SELECT * WHERE x = 1'}"}`, "", 400, []string{"query is", "no other query of enrollments"}},
		{"az", "POST /enrollmentGroups/query", `{"query":"SELECT *"}`, "", 200, []string{`"enrollmentGroupId":"g1"`}},
		{"az", "POST /devices/keys/regenerate", `{"policyKey":"primaryKey","devices":[{"id":"az1"}]}`, "", 200, []string{`"policyKey":"primaryKey"`, `"rotatedKeys":[{"id":"az1","primaryKey":"`, `"errors":[]`}},
		{"az", "POST /devices/keys/regenerate", `{"policyKey":"both","devices":[{"id":"az2"},{"id":"az1","moduleId":"m"}]}`, "", 400, []string{`"rotatedKeys":[]`, "device az2 does not log in with a key", "modules are not supported"}},
		{"az", "GET /registrations/e1", "", "", 404, []string{"there is no registration e1"}},
		{"az", "DELETE /registrations/e1", "", "", 501, []string{"DELETE /registrations/e1: only the request GET is supported"}},
		{"az", "POST /registrations/g1/query", "", "", 501, []string{"POST /registrations/g1/query: the registrations of a group cannot be listed"}},

		// The Python service SDK: no payload is "", a start time may lack a zone.
		{"Python", "POST /twins/d1/methods", `{"methodName":"lockDoor","payload":"","responseTimeoutInSeconds":30,"connectTimeoutInSeconds":15}`, "", 200, []string{`"status":200`}},
		{"Python", "PUT /jobs/v2/py1", `{"jobId":"py1","type":"scheduleDeviceMethod","queryCondition":"deviceId = 'd1'","startTime":"2031-11-23T12:00:00.123456","maxExecutionTimeInSeconds":60,"cloudToDeviceMethod":{"methodName":"lockDoor","payload":"{\"lockTime\":\"10m\"}"}}`, "", 200, []string{`"startTime":"2031-11-23T12:00:00.123456Z"`, `"payload":"{\"lockTime\":\"10m\"}"`}},
		{"Python", "PUT /jobs/v2/py2", `{"jobId":"py2","type":"scheduleDeviceMethod","queryCondition":"*","startTime":"2031-11-23 12:00:00","cloudToDeviceMethod":{"methodName":"lockDoor"}}`, "", 200, []string{`"startTime":"2031-11-23T12:00:00Z"`}},
		{"Python", "PATCH /twins/d1", `{"properties":{"desired":{"building":43,"floor":"3"}},"tags":{"Status":"Enabled"}}`, `If-Match: "*"`, 200, []string{`"building":43`, `"floor":"3"`, `"Status":"Enabled"`}},
		{"Python", "PUT /devices/py", `{"deviceId":"py","status":"enabled","authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"` + thumbprint + `","secondaryThumbprint":"` + thumbprint + `"}}}`, "", 200, []string{`"type":"selfSigned"`}},

		// The Java SDKs: PATCH in a header, times without a zone, a slash at the end.
		{"Java", "POST /twins/d1", `{"tags":{"floor":3}}`, "X-HTTP-Method-Override: PATCH", 200, []string{`"floor":3`}},
		{"Java", "POST /twins/d1/methods/", `{"methodName":"lockDoor","responseTimeoutInSeconds":7,"connectTimeoutInSeconds":5,"payload":null}`, "", 200, []string{`"response":7`}},
		{"Java", "PUT /devices/java", `{"deviceId":"java","generationId":"","status":"enabled","statusReason":"","statusUpdatedTime":"0001-01-01T00:00:00","connectionState":"Disconnected","connectionStateUpdatedTime":"0001-01-01T00:00:00","lastActivityTime":"0001-01-01T00:00:00","cloudToDeviceMessageCount":0,"authentication":{"type":"sas","symmetricKey":{"primaryKey":"AAAAAAAAAAAAAAAAAAAAAA==","secondaryKey":"AAAAAAAAAAAAAAAAAAAAAA=="}},"capabilities":{"iotEdge":false},"parentScopes":[]}`, "", 200, []string{`"deviceId":"java"`}},
		{"Java", "PUT /jobs/v2/java1", `{"jobId":"java1","type":"scheduleUpdateTwin","queryCondition":"deviceId='d1'","startTime":"2031-11-23T12:00:00Z","maxExecutionTimeInSeconds":100,"updateTwin":{"deviceId":"d1","etag":"*","tags":{"a":1}}}`, "", 200, []string{`"status":"scheduled"`}},

		// The .NET SDKs: Json.NET's enumerations and times.
		{".NET", "PUT /devices/net", `{"DeviceId":"net","status":"Enabled","connectionState":"Disconnected","statusUpdatedTime":"0001-01-01T00:00:00","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,"authentication":{"type":"Sas","symmetricKey":{"primaryKey":null,"secondaryKey":null},"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}}}`, "", 200, []string{`"status":"enabled"`, `"type":"sas"`}},
		{".NET", "POST /devices", `[{"id":"net2","importMode":"Create","status":"Disabled","authentication":{"type":"SelfSigned","x509Thumbprint":{"primaryThumbprint":"` + thumbprint + `"}}}]`, "", 200, []string{`"isSuccessful":true`}},
		{".NET", "PUT /jobs/v2/net1", `{"jobId":"net1","type":"ScheduleDeviceMethod","queryCondition":"*","startTime":"2031-11-23T12:00:00.1234567Z","maxExecutionTimeInSeconds":"300","cloudToDeviceMethod":{"methodName":"LockDoor","payload":null}}`, "", 200, []string{`"type":"scheduleDeviceMethod"`}},
		{".NET", "GET /jobs/v2/query?api-version=2021-04-12&jobType=ScheduleDeviceMethod&jobStatus=Scheduled", "", "", 200, []string{`"jobId":"net1"`, `"jobId":"py1"`}},
		{".NET", "PUT /enrollments/net", `{"registrationId":"net","attestation":{"type":"SymmetricKey","symmetricKey":{"primaryKey":"","secondaryKey":""}},"provisioningStatus":"Enabled","allocationPolicy":"Hashed","capabilities":{"iotEdge":"false"},"reprovisionPolicy":{"updateHubAssignment":true,"migrateDeviceData":true}}`, "", 200, []string{`"provisioningStatus":"enabled"`, `"allocationPolicy":"hashed"`}},
		{".NET", "PUT /enrollments/net2", `{"attestation":{"type":"symmetricKey"},"capabilities":{"iotEdge":true}}`, "", 400, []string{"capabilities.iotEdge is true"}},
		{".NET", "PUT /enrollments/net2", `{"attestation":{"type":"symmetricKey"},"allocationPolicy":"custom"}`, "", 400, []string{"allocationPolicy is custom"}},
		{".NET", "POST /enrollments", `{"mode":"Create","enrollments":[{"registrationId":"b1","attestation":{"type":"symmetricKey"}},{"registrationId":"e1","attestation":{"type":"symmetricKey"}}]}`, "", 200, []string{`"isSuccessful":false`, `"registrationId":"e1","errorCode":409001`}},
		{".NET", "POST /enrollments", `{"mode":"updateIfMatchETag","enrollments":[{"registrationId":"b1","attestation":{"type":"symmetricKey"}},{"registrationId":"b1","etag":"b2xk","attestation":{"type":"symmetricKey"}}]}`, "", 200, []string{"the enrollment has no etag", "its etag is"}},
		{".NET", "POST /enrollments", `{"mode":"delete","enrollments":[{"registrationId":"b1"}]}`, "", 200, []string{`"isSuccessful":true,"errors":[]`}},
		{".NET", "GET /enrollments/b1", "", "", 404, []string{"there is no enrollment b1"}},
		{".NET", "POST /enrollmentGroups", `{"mode":"update","enrollmentGroups":[{"enrollmentGroupId":"g1","provisioningStatus":"Disabled","attestation":{"type":"symmetricKey"}}]}`, "", 200, []string{`"isSuccessful":true`}},
		{".NET", "GET /enrollmentGroups/g1", "", "", 200, []string{`"provisioningStatus":"disabled"`}},
		{".NET", "POST /enrollments", `{"enrollments":[{"registrationId":"b1"}]}`, "", 400, []string{"mode is missing"}},
		{".NET", "POST /enrollments", `{"mode":"create","enrollments":[]}`, "", 400, []string{"enrollments has 0 entries, want 1 to 10"}},

		// The guide to jobs pages with parameters.
		{"guide", "GET /jobs/v2/query/?api-version=2021-04-12&pageSize=0", "", "", 400, []string{"page size"}},
		{"guide", "GET /jobs/v2/query?api-version=2021-04-12&pageSize=many", "", "", 400, []string{`pageSize: \"many\" is not an integer`}},
		{"guide", "GET /jobs/v2/query?api-version=2021-04-12&continuationToken=forged", "", "", 400, []string{"token from the previous page"}},

		// The header that changes the method changes nothing but POST to PATCH.
		{"any", "POST /devices/d1", "", "X-HTTP-Method-Override: DELETE", 400, []string{`X-HTTP-Method-Override is \"DELETE\" on POST`}},
		{"any", "GET /twins/d1", "", "X-HTTP-Method-Override: PATCH", 400, []string{`X-HTTP-Method-Override is \"PATCH\" on GET`}},
	} {
		headers := []string{}
		if test.header != "" {
			headers = append(headers, test.header)
		}
		a := f.ask(test.request, test.body, headers...)
		if a.status != test.status {
			t.Errorf("%s: %s %s: %d %s, want %d", test.client, test.request, test.body, a.status, a.body, test.status)
		}
		for _, want := range test.want {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: %s %s: %s, want %s", test.client, test.request, test.body, a.body, want)
			}
		}
	}
}

// Every path may end in a slash.
func TestSlashAtTheEnd(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	f.must(200, "PUT /enrollments/e1", `{"attestation":{"type":"symmetricKey"}}`, nil)
	f.must(200, "PUT /jobs/v2/j1", `{"type":"scheduleUpdateTwin","queryCondition":"*","startTime":"2031-01-01","updateTwin":{"tags":{"a":1}}}`, nil)
	for _, request := range []string{"GET /devices", "GET /devices/d1", "GET /twins/d1", "GET /jobs", "GET /jobs/v2/j1", "GET /jobs/v2/query",
		"GET /statistics/devices", "GET /statistics/service", "GET /enrollments/e1", "GET /certificates", "GET /idScope",
		"DELETE /devices/d1/commands", "GET /devices/d1/modules", "GET /nowhere"} {
		plain, slash := f.ask(request, ""), f.ask(request+"/", "")
		if slash.status != plain.status || slash.status == http.StatusMovedPermanently {
			t.Errorf("%s/: %d %s, want %d", request, slash.status, slash.body, plain.status)
		}
	}
}

func TestJobPagesByParameter(t *testing.T) {
	t.Parallel()

	f := start(t)
	for i := range 5 {
		f.must(200, fmt.Sprintf("PUT /jobs/v2/j%d", i), `{"type":"scheduleUpdateTwin","queryCondition":"*","startTime":"2031-01-01","updateTwin":{"tags":{"a":1}}}`, nil)
	}
	var ids []string
	token := ""
	for range 3 {
		var page []iothub.Job
		a := f.must(200, "GET /jobs/v2/query?api-version=2021-04-12&pageSize=2&continuationToken="+token, "", &page)
		for _, job := range page {
			ids = append(ids, job.JobID)
		}
		token = a.header.Get("x-ms-continuation")
	}
	if fmt.Sprint(ids) != "[j4 j3 j2 j1 j0]" || token != "" {
		t.Errorf("got %v, and the last page has the token %q", ids, token)
	}
}

// enumerations lists each place of the API that holds an enumeration. %s is the place of
// the value.
var enumerations = []struct {
	request, body string
	member        string
	values        string
}{
	{"PUT /devices/x", `{"status":"%s"}`, "status", "enabled disabled"},
	{"PUT /devices/x", `{"connectionState":"%s"}`, "connectionState", "Connected Disconnected"},
	{"PUT /devices/x", `{"authentication":{"type":"%s","x509Thumbprint":{"primaryThumbprint":"` + thumbprint + `"}}}`, "authentication.type", "sas selfSigned certificateAuthority none"},
	{"POST /devices", `[{"id":"x","importMode":"%s","eTag":"b2xk","twinETag":"b2xk"}]`, "[0].importMode", "create createOrUpdate createOrUpdateIfMatchETag update updateIfMatchETag updateTwin updateTwinIfMatchETag delete deleteIfMatchETag"},
	{"POST /devices", `[{"id":"x","importMode":"create","status":"%s"}]`, "[0].status", "enabled disabled"},
	{"POST /devices", `[{"id":"x","importMode":"create","authentication":{"type":"%s","x509Thumbprint":{"primaryThumbprint":"` + thumbprint + `"}}}]`, "[0].authentication.type", "sas selfSigned certificateAuthority none"},
	{"POST /devices/keys/regenerate", `{"policyKey":"%s","devices":[{"id":"x"}]}`, "policyKey", "primaryKey secondaryKey both"},
	{"PUT /jobs/v2/x", `{"type":"%s","queryCondition":"*","startTime":"2031-01-01","cloudToDeviceMethod":{"methodName":"m"},"updateTwin":{"tags":{"a":1}}}`, "type", "scheduleDeviceMethod scheduleUpdateTwin"},
	{"GET /jobs/v2/query?api-version=2021-04-12&jobType=%s", "", "jobType", "scheduleDeviceMethod scheduleUpdateTwin unknown export import backup readDeviceProperties writeDeviceProperties updateDeviceConfiguration rebootDevice factoryResetDevice firmwareUpdate restoreFromBackup failoverDataCopy"},
	{"GET /jobs/v2/query?api-version=2021-04-12&jobStatus=%s", "", "jobStatus", "unknown enqueued queued scheduled running completed failed cancelled"},
	{"PUT /enrollments/x", `{"provisioningStatus":"%s","attestation":{"type":"symmetricKey"}}`, "provisioningStatus", "enabled disabled"},
	{"PUT /enrollments/x", `{"attestation":{"type":"%s"}}`, "attestation.type", "symmetricKey"},
	{"PUT /enrollments/x", `{"allocationPolicy":"%s","attestation":{"type":"symmetricKey"}}`, "allocationPolicy", "hashed geoLatency static"},
	{"PUT /enrollmentGroups/x", `{"provisioningStatus":"%s","attestation":{"type":"symmetricKey"}}`, "provisioningStatus", "enabled disabled"},
	{"PUT /enrollmentGroups/x", `{"attestation":{"type":"%s"}}`, "attestation.type", "symmetricKey"},
	{"POST /enrollments", `{"mode":"%s","enrollments":[{"registrationId":"x","etag":"b2xk","attestation":{"type":"symmetricKey"}}]}`, "mode", "create update updateIfMatchETag delete"},
	{"POST /enrollments", `{"mode":"create","enrollments":[{"registrationId":"x","provisioningStatus":"%s","attestation":{"type":"symmetricKey"}}]}`, "enrollments[0].provisioningStatus", "enabled disabled"},
	{"POST /enrollmentGroups", `{"mode":"%s","enrollmentGroups":[{"enrollmentGroupId":"x","etag":"b2xk","attestation":{"type":"symmetricKey"}}]}`, "mode", "create update updateIfMatchETag delete"},
}

// Each enumeration accepts its values in any case and refuses other values by name. A
// refused request changes nothing.
func TestEnumerations(t *testing.T) {
	t.Parallel()

	for _, test := range enumerations {
		t.Run(test.request+" "+test.member, func(t *testing.T) {
			t.Parallel()

			f := start(t)
			send := func(value string) answer {
				request, body := test.request, test.body
				if strings.Contains(request, "%s") {
					request = fmt.Sprintf(request, value)
				} else {
					body = fmt.Sprintf(body, value)
				}
				return f.ask(request, body)
			}

			for _, unknown := range []string{"sleeping", "1"} {
				a := send(unknown)
				want := fmt.Sprintf(`%s: \"%s\" is unknown, want `, test.member, unknown)
				if a.status != 400 || a.header.Get("iothub-errorcode") != "ArgumentInvalid" || !strings.Contains(a.body, want) {
					t.Errorf("%s: %d %s, want 400 and %s", unknown, a.status, a.body, want)
				}
			}
			for _, request := range []string{"GET /devices/x", "GET /jobs/v2/x", "GET /enrollments/x", "GET /enrollmentGroups/x"} {
				f.must(404, request, "", nil)
			}

			for _, value := range strings.Fields(test.values) {
				for _, spelling := range []string{value, strings.ToUpper(value)} {
					// An id that is in use and an etag that is old are not the fault of the value.
					if a := send(spelling); strings.Contains(a.body, "unknown, want") || a.status >= 500 ||
						a.status == 400 && !strings.Contains(a.body, "isSuccessful") && !strings.Contains(a.body, "rotatedKeys") {
						t.Errorf("%s: %d %s", spelling, a.status, a.body)
					}
				}
			}
		})
	}
}

// Values that IoT Hub knows but latchhub does not serve are refused by name.
func TestValuesThatAreNotServed(t *testing.T) {
	t.Parallel()

	f := start(t)
	for _, test := range []struct{ request, body, want string }{
		{"PUT /jobs/v2/x", `{"type":"Export","queryCondition":"*"}`, `type is \"export\", want scheduleDeviceMethod or scheduleUpdateTwin`},
		{"PUT /enrollments/x", `{"attestation":{"type":"TPM"}}`, `attestation.type is \"tpm\", want symmetricKey or x509`},
		{"PUT /enrollments/x", `{"attestation":{"type":"none"}}`, `attestation.type is \"none\", want symmetricKey or x509`},
	} {
		if a := f.must(400, test.request, test.body, nil); !strings.Contains(a.body, test.want) {
			t.Errorf("%s %s: %s, want %s", test.request, test.body, a.body, test.want)
		}
	}
}

// Each route answers in JSON with a reason. None answers a plain 404 that looks like a
// wrong address.
func TestEveryRouteOfTheSDKsIsServedOrNamed(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	for request, status := range map[string]int{
		"GET /configurations":                        501,
		"POST /configurations/testQueries":           501,
		"PUT /configurations/c":                      501,
		"POST /devices/d1/applyConfigurationContent": 501,
		"GET /devices/d1/modules":                    501,
		"PUT /devices/d1/modules/m":                  501,
		"GET /twins/d1/modules/m":                    501,
		"POST /twins/d1/modules/m/methods":           501,
		"GET /digitaltwins/d1":                       501,
		"POST /digitaltwins/d1/commands/c":           501,
		"POST /jobs/create":                          501,
		"GET /jobs/j":                                501,
		"DELETE /jobs/j":                             501,
		"GET /messages/serviceBound/feedback":        501,
		"POST /devices/d1/files":                     501,
		"POST /devices/d1/files/notifications":       501,
		"GET /digitaltwins":                          501,
		"POST /devices/d1/messages/events":           501,
		"GET /registrations/r":                       404,
		"DELETE /registrations/r":                    501,
		"POST /registrations/g/query":                501,
		"POST /enrollments":                          400,
		"POST /enrollmentGroups":                     400,
		"GET /enrollments":                           405,
		"POST /devices/keys/regenerate":              400,
		"PUT /0neFFFFFFFF/registrations/r/register":  401,
		"GET /0neFFFFFFFF/registrations/r/register":  405,
	} {
		a := f.ask(request, "")
		if a.status != status || strings.Contains(a.body, "this hub has no resource") {
			t.Errorf("%s: %d %s, want %d", request, a.status, a.body, status)
		}
		if a.closes != (status == 401) {
			t.Errorf("%s: the hub closes the connection: %t; want that only strangers need a new one", request, a.closes)
		}
	}
}

// The answers describe each certificate of an enrollment. A client may send the
// description back.
func TestCertificateInfoOfEnrollments(t *testing.T) {
	t.Parallel()

	f := start(t)
	cert := certs.Issue(t, nil, "door-a", false, time.Now())
	pem, _ := json.Marshal(string(cert.PEM()))
	body := `{"attestation":{"type":"x509","x509":{"clientCertificates":{"primary":{"certificate":` + string(pem) + `}}}}}`

	check := func(request, body string, headers ...string) string {
		a := f.must(200, request, body, nil, headers...)
		for _, want := range []string{`"subjectName":"CN=door-a"`, `"issuerName":"CN=door-a"`, `"sha1Thumbprint":"`, `"sha256Thumbprint":"`,
			`"notBeforeUtc":"`, `"notAfterUtc":"`, `"serialNumber":"`, `"version":3`, `"certificate":` + string(pem)} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: %s, want %s", request, a.body, want)
			}
		}
		return a.body
	}
	check("PUT /enrollments/door-a", body)
	stored := check("GET /enrollments/door-a", "")
	check("POST /enrollments/query", `{"query":"*"}`)
	check("PUT /enrollments/door-a", stored, "If-Match: *")
	check("POST /enrollments/door-a/attestationmechanism", "")
}

// A device registers over HTTPS. The token may lack skn.
func TestRegistrationOverHTTPS(t *testing.T) {
	t.Parallel()

	f := start(t)
	group := iothub.NewKey()
	body, _ := json.Marshal(provisioning.Enrollment{Attestation: provisioning.Attestation{Type: iothub.AttestSymmetricKey,
		SymmetricKey: &iothub.SymmetricKey{PrimaryKey: group.Base64()}}})
	f.must(200, "PUT /enrollmentGroups/site", string(body), nil)
	scope := f.store.IDScope()
	token := func(id, keyName string) string {
		return "Authorization: " + iothub.Sign(scope+"%2Fregistrations%2F"+id, provisioning.DeriveKey(group, id), keyName, time.Now().Add(time.Hour))
	}
	path := "/" + scope + "/registrations/door-a"

	var operation struct{ OperationID, Status string }
	a := f.must(202, "PUT "+path+"/register", `{"registrationId":"door-a"}`, &operation, token("door-a", ""))
	if operation.Status != "assigning" || a.header.Get("Retry-After") != "1" {
		t.Errorf("the answer is %s, Retry-After %q", a.body, a.header.Get("Retry-After"))
	}
	for request, answered := range map[string]string{
		"GET " + path + "/operations/" + operation.OperationID: token("door-a", "registration"),
		"POST " + path:               token("door-a", ""),
		"GET /registrations/door-a":  "X: y",
		"GET /registrations/door-a/": "X: y",
	} {
		a := f.must(200, request, "", nil, answered)
		for _, want := range []string{`"deviceId":"door-a"`, `"assignedHub":"hub.test"`, `"status":"assigned"`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: %s, want %s", request, a.body, want)
			}
		}
	}

	for name, test := range map[string]struct {
		request, header, body string
		status                int
		want                  string
	}{
		"another key":       {"PUT " + path + "/register", token("door-b", ""), "{}", 401, "no enrollment admits"},
		"another skn":       {"PUT " + path + "/register", token("door-a", "iothubowner"), "{}", 401, "no enrollment admits"},
		"no token":          {"PUT " + path + "/register", "Authorization: ", "{}", 401, "no enrollment admits"},
		"another id scope":  {"PUT /0ne00000000/registrations/door-a/register", token("door-a", ""), "{}", 401, "the id scope is"},
		"another id inside": {"PUT " + path + "/register", token("door-a", ""), `{"registrationId":"door-b"}`, 400, "logged in as"},
		"no JSON":           {"PUT " + path + "/register", token("door-a", ""), "", 400, "the request"},
		"no api-version":    {"PUT " + path + "/register?x=y", token("door-a", ""), "{}", 400, "api-version"},
		"unknown operation": {"GET " + path + "/operations/5.x", token("door-a", ""), "", 404, "no operation"},
	} {
		if a := f.ask(test.request, test.body, test.header); a.status != test.status || !strings.Contains(a.body, test.want) {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, a.body, test.status, test.want)
		}
	}
}
