package interop

import "testing"

// TestThrottling runs the official service SDK with a hub that has the limits of IoT
// Hub's tier S1.
func TestThrottling(t *testing.T) {
	runScenario(t, "throttling", []step{
		{"a job while another job is active",
			`ThrottlingError: the hub has reached its tier's limit on active jobs (1): wait until one ends [429 ThrottlingMaxActiveJobCountExceeded]`},
		{"a job after the other job has ended", `{"deviceCount":1,"failedCount":0,"succeededCount":1,"runningCount":0,"pendingCount":0}`},
		{"queries", `{"error":"ThrottlingError","status":429,"code":"ThrottlingException","retryAfter":true,"between":"about 20"}`},
		{"identities", `{"error":"ThrottlingError","status":429,"code":"ThrottlingException","retryAfter":true,"between":"about 100"}`},
		{"twins have their own rate", `"door"`},
	}, "--tier", "S1")
}
