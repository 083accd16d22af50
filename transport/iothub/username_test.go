package iothub_test

import (
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestParseUserName(t *testing.T) {
	t.Parallel()

	const sdkAgent = "azure-iot-device/1.18.4 (node v20.20.2; Debian 12; x64)(mine)"
	for _, test := range []struct {
		name, text string
		want       iothub.UserName
		clientID   string
	}{
		{"official Node SDK with a model id",
			"localhost/d1/?api-version=2021-04-12&model-id=dtmi:com:example:Door;1&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20.20.2%3B%20Debian%2012%3B%20x64)(mine)",
			iothub.UserName{HostName: "localhost", DeviceID: "d1", APIVersion: "2021-04-12", ModelID: "dtmi:com:example:Door;1", ClientType: sdkAgent}, "d1"},
		{"official Node SDK, module",
			"localhost/d1/m1/?api-version=2021-04-12&DeviceClientType=x",
			iothub.UserName{HostName: "localhost", DeviceID: "d1", ModuleID: "m1", APIVersion: "2021-04-12", ClientType: "x"}, "d1/m1"},
		{"host with a port",
			"localhost:8884/d1/?api-version=2021-04-12",
			iothub.UserName{HostName: "localhost:8884", DeviceID: "d1", APIVersion: "2021-04-12"}, "d1"},
		{"older form",
			"h/d1/api-version=2016-11-14",
			iothub.UserName{HostName: "h", DeviceID: "d1", APIVersion: "2016-11-14"}, "d1"},
		{"older form, module",
			"h/d1/m1/api-version=2017-06-30",
			iothub.UserName{HostName: "h", DeviceID: "d1", ModuleID: "m1", APIVersion: "2017-06-30"}, "d1/m1"},
		{"older form with a client type that has slashes",
			"h/d1/api-version=2016-11-14&DeviceClientType=a/b/c",
			iothub.UserName{HostName: "h", DeviceID: "d1", APIVersion: "2016-11-14", ClientType: "a/b/c"}, "d1"},
		{"a client type with slashes that are not encoded",
			"h/d1/?api-version=2021-04-12&DeviceClientType=a/b",
			iothub.UserName{HostName: "h", DeviceID: "d1", APIVersion: "2021-04-12", ClientType: "a/b"}, "d1"},
		{"a plus sign is a plus sign",
			"h/d1/?api-version=2021-04-12&DeviceClientType=a+b",
			iothub.UserName{HostName: "h", DeviceID: "d1", APIVersion: "2021-04-12", ClientType: "a+b"}, "d1"},
		{"unknown fields",
			"h/d1/?api-version=2021-04-12&digital-twin-model-id=x&product-info=y",
			iothub.UserName{HostName: "h", DeviceID: "d1", APIVersion: "2021-04-12"}, "d1"},
		{"a percent sign in a device id is not decoded",
			"h/d%41?/?api-version=2021-04-12",
			iothub.UserName{HostName: "h", DeviceID: "d%41?", APIVersion: "2021-04-12"}, "d%41?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := iothub.ParseUserName(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.ClientID() != test.clientID {
				t.Errorf("client id %q, want %q", got.ClientID(), test.clientID)
			}
			again, err := iothub.ParseUserName(got.String())
			if err != nil || again != got {
				t.Errorf("round trip: %q gives %+v, %v", got.String(), again, err)
			}
		})
	}
}

func TestUserNameString(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name string
		user iothub.UserName
		want string
	}{
		{"the default version", iothub.UserName{HostName: "h", DeviceID: "d"},
			"h/d/?api-version=2021-04-12"},
		{"the model comes before the client type and is not encoded",
			iothub.UserName{HostName: "h", DeviceID: "d", ModelID: "dtmi:a:B;1", ClientType: "latchd/1 (x; y)"},
			"h/d/?api-version=2021-04-12&model-id=dtmi:a:B;1&DeviceClientType=latchd%2F1%20%28x%3B%20y%29"},
		{"module", iothub.UserName{HostName: "h", DeviceID: "d", ModuleID: "m", APIVersion: "2020-09-30"},
			"h/d/m/?api-version=2020-09-30"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.user.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseUserNameRefuses(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "want HOST/DEVICE/"},
		{"a name of another kind", "admin", "want HOST/DEVICE/"},
		{"no query", "h/d1", "want HOST/DEVICE/"},
		{"no host", "/d1/?api-version=2021-04-12", "want HOST/DEVICE/"},
		{"no device", "h//?api-version=2021-04-12", "want HOST/DEVICE/"},
		{"empty module", "h/d1//?api-version=2021-04-12", "module id is empty"},
		{"no date", "h/d1/?", "api-version is missing"},
		{"empty date", "h/d1/?api-version=", "api-version is missing"},
		{"something else in place of the query", "h/d1/m1", "does not end in"},
		{"too many parts", "h/d1/m1/x/?api-version=2021-04-12", "does not end in"},
		{"not percent-encoded", "h/d1/?api-version=2021-04-12&DeviceClientType=%zz", "not percent-encoded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := iothub.ParseUserName(test.text)
			if err == nil {
				t.Fatalf("the text was accepted as %+v; want an error", got)
			}
			checkErrorText(t, err)
			if !strings.HasPrefix(err.Error(), "user name: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to contain %q", err, test.want)
			}
		})
	}
}
