package interop

import "testing"

// TestMethods is what the official SDKs make of direct methods, and which
// signatures the service API takes.
func TestMethods(t *testing.T) {
	runScenario(t, "methods", []step{
		{"an answer with a payload",
			`{"status":200,"payload":{"device":"left","got":{"text":"Türe zu; ünd?","n":1.5,"list":[null,true]}}}`},
		{"only the device that was called saw it",
			`{"left":[{"text":"Türe zu; ünd?","n":1.5,"list":[null,true]}],"right":[]}`},
		{"the payload null", `{"status":200,"payload":{"device":"left","got":null}}`},
		{"the payload 0", `{"status":200,"payload":{"device":"left","got":0}}`},
		{"the payload false", `{"status":200,"payload":{"device":"left","got":false}}`},
		{`the payload ""`, `{"status":200,"payload":{"device":"left","got":""}}`},
		{`the payload "text"`, `{"status":200,"payload":{"device":"left","got":"text"}}`},
		{"the payload [1]", `{"status":200,"payload":{"device":"left","got":[1]}}`},
		{"no payload", `{"status":200,"payload":{"device":"left","got":null}}`},
		{"a device that refuses has answered", `{"status":409,"payload":{"error":{"code":"busy"}}}`},
		{"an answer without a payload", `{"status":200,"payload":null}`},
		{"an answer that is 0", `{"status":200,"payload":0}`},
		{"the calls of the two devices", `[8,0]`},
		{"a device that is offline", `Error: Not found [404 DeviceNotOnline]`},
		{"what the answer says",
			`{"errorCode":404103,"message":"device late is not connected or not subscribed to direct methods",
			"info":null}`},
		{"an unknown device",
			`DeviceNotFoundError: {"errorCode":404001,"trackingId":"UUID","message":"the device none is not registered","info":null,"timestampUtc":"TIME"} [404 DeviceNotFound]`},
		{"a response timeout that is not allowed",
			`ArgumentError: {"errorCode":400004,"trackingId":"UUID","message":"the response timeout is 4 s, want 5 to 300 s","info":null,"timestampUtc":"TIME"} [400 ArgumentInvalid]`},
		{"a device that comes within the connect timeout", `{"status":201,"payload":1}`},
		{"a device that does not answer",
			`GatewayTimeoutError: 504101 device right did not answer within 5s, in time [504 GatewayTimeout]`},
		{"a wrong key",
			`UnauthorizedError: the token is not signed with a key of policy iothubowner [401 IotHubUnauthorized]`},
		{"a wrong key for the registry",
			`UnauthorizedError: the token is not signed with a key of policy iothubowner [401 IotHubUnauthorized]`},
		{"an unknown policy", `UnauthorizedError: the hub has no shared access policy "nobody" [401 IotHubUnauthorized]`},
		{"a signature that has expired",
			`UnauthorizedError: the token expired at TIME, the hub's clock says TIME [401 IotHubUnauthorized]`},
		{"a signature that is good", `"left"`},
	})
}
