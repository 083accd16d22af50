package interop

import "testing"

// TestMethods calls direct methods with the official SDKs. It also checks which keys
// and signatures the hub's service API accepts.
func TestMethods(t *testing.T) {
	runScenario(t, "methods", []step{
		{"answer with a payload",
			`{"status":200,"payload":{"device":"left","got":{"text":"Türe zu; ünd?","n":1.5,"list":[null,true]}}}`},
		{"only the called device received the call",
			`{"left":[{"text":"Türe zu; ünd?","n":1.5,"list":[null,true]}],"right":[]}`},
		{"payload null", `{"status":200,"payload":{"device":"left","got":null}}`},
		{"payload 0", `{"status":200,"payload":{"device":"left","got":0}}`},
		{"payload false", `{"status":200,"payload":{"device":"left","got":false}}`},
		{`payload ""`, `{"status":200,"payload":{"device":"left","got":""}}`},
		{`payload "text"`, `{"status":200,"payload":{"device":"left","got":"text"}}`},
		{"payload [1]", `{"status":200,"payload":{"device":"left","got":[1]}}`},
		{"no payload", `{"status":200,"payload":{"device":"left","got":null}}`},
		{"a refusal by the device is an answer", `{"status":409,"payload":{"error":{"code":"busy"}}}`},
		{"answer without a payload", `{"status":200,"payload":null}`},
		{"answer with the payload 0", `{"status":200,"payload":0}`},
		{"number of calls of each device", `[8,0]`},
		{"offline device", `Error: Not found [404 DeviceNotOnline]`},
		{"body of the error answer",
			`{"errorCode":404103,"message":"device late is not connected or not subscribed to direct methods",
			"info":null}`},
		{"unknown device",
			`DeviceNotFoundError: {"errorCode":404001,"trackingId":"UUID","message":"the device none is not registered","info":null,"timestampUtc":"TIME"} [404 DeviceNotFound]`},
		{"invalid response timeout",
			`ArgumentError: {"errorCode":400004,"trackingId":"UUID","message":"the response timeout is 4 s, want 5 to 300 s","info":null,"timestampUtc":"TIME"} [400 ArgumentInvalid]`},
		{"device that connects within the connect timeout", `{"status":201,"payload":1}`},
		{"device that does not answer",
			`GatewayTimeoutError: 504101 device right did not answer within 5s, in time [504 GatewayTimeout]`},
		{"wrong key",
			`UnauthorizedError: the token is not signed with a key of policy iothubowner [401 IotHubUnauthorized]`},
		{"wrong key for the registry",
			`UnauthorizedError: the token is not signed with a key of policy iothubowner [401 IotHubUnauthorized]`},
		{"unknown policy", `UnauthorizedError: the hub has no shared access policy "nobody" [401 IotHubUnauthorized]`},
		{"expired signature",
			`UnauthorizedError: the token expired at TIME, the hub's clock says TIME [401 IotHubUnauthorized]`},
		{"valid signature", `"left"`},
	})
}
