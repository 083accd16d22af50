package interop

import "testing"

// TestQueries is what the official service SDK reads of twins and of the rows of
// jobs, in pages.
func TestQueries(t *testing.T) {
	runScenario(t, "queries", []step{
		{"all devices in pages", `[["door","shed-1","shed-2"],["shed-3","shed-4","shed-5"],["shed-6"]]`},
		{"pages that end with the rows", `[["shed-1","shed-2","shed-3"],["shed-4","shed-5","shed-6"]]`},
		{"pages by callbacks, which keep their place",
			`[["door","shed-1","shed-2","shed-3"],["shed-4","shed-5","shed-6"]]`},
		{"without a continuation it is page one again", `[["door","shed-1","shed-2"]]`},
		{"as twins", `{"deviceId":"shed-2","tags":{"floor":1,"name":"Shed 2"},"asGetTwin":true}`},
		{"what kind of rows", `["Twin","Raw","DeviceJob"]`},
		{"projection", `[{"deviceId":"shed-2","level":1,"day":1}]`},
		{"projection of what is not there", `[{"deviceId":"door"}]`},
		{"count", `[{"devices":7}]`},
		{"connected", `[{"deviceId":"door","status":"enabled","connectionState":"Connected"}]`},
		{"a fault in the text",
			`ArgumentError: query, line 1:41: want a property or a constant, not the end [400 ArgumentInvalid]`},
		{"a collection that is not there",
			`ArgumentError: query, line 1:15: want devices or devices.jobs after FROM [400 ArgumentInvalid]`},
		{"the continuation of another query",
			`ArgumentError: x-ms-continuation is not one that this hub gave for this query [400 ArgumentInvalid]`},
		{"rows of a method job",
			`[{"deviceId":"door","jobId":"lock","jobType":"scheduleDeviceMethod","status":"completed",
			"startTimeUtc":"TIME","endTimeUtc":"TIME","createdDateTimeUtc":"TIME","lastUpdatedDateTimeUtc":"TIME",
			"outcome":{"deviceMethodResponse":{"status":200,"payload":{"locked":true}}}},{"deviceId":"shed-1",
			"jobId":"lock","jobType":"scheduleDeviceMethod","status":"failed","startTimeUtc":"TIME",
			"endTimeUtc":"TIME","createdDateTimeUtc":"TIME","lastUpdatedDateTimeUtc":"TIME","error":{"code":"DeviceNotOnline",
			"description":"the device shed-1 is not connected, or does not listen for direct methods"}}]`},
		{"row of a device that refused",
			`[["completed",{"deviceMethodResponse":{"status":500,"payload":{"error":{"code":"jammed"}}}}]]`},
		{"row of a device that answered without a payload",
			`[["completed",{"deviceMethodResponse":{"status":200,"payload":null}}]]`},
		{"row of a device that did not answer",
			`[["failed",null,{"code":"GatewayTimeout","description":"the device door did not answer within 5s"}]]`},
		{"rows of a twin job",
			`[{"deviceId":"door","jobId":"move","jobType":"scheduleUpdateTwin","status":"completed","startTimeUtc":"TIME",
			"endTimeUtc":"TIME","createdDateTimeUtc":"TIME","lastUpdatedDateTimeUtc":"TIME","outcome":{"deviceMethodResponse":null}},
			{"deviceId":"shed-1","jobId":"move","jobType":"scheduleUpdateTwin","status":"completed",
			"startTimeUtc":"TIME","endTimeUtc":"TIME","createdDateTimeUtc":"TIME","lastUpdatedDateTimeUtc":"TIME",
			"outcome":{"deviceMethodResponse":null}}]`},
		{"a job that has not started has no rows", `[]`},
		{"times of a row are in order", `true`},
		{"rows of all jobs in pages",
			`[["bare door","jam door","lock door"],["lock shed-1","move door","move shed-1"],["silent door"]]`},
		{"rows by status", `["lock shed-1","silent door"]`},
		{"rows by device", `["move"]`},
	})
}
