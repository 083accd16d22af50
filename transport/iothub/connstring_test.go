package iothub_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

const keyPart = ";SharedAccessKey=" + testKeyText

func TestParseDevice(t *testing.T) {
	t.Parallel()

	key := testKey(t)
	for _, test := range []struct {
		name, text string
		want       iothub.Device
	}{
		{"key", "HostName=myhub.azure-devices.net;DeviceId=d1" + keyPart,
			iothub.Device{HostName: "myhub.azure-devices.net", DeviceID: "d1", Key: key}},
		{"port in the name", "HostName=localhost:8884;DeviceId=d1" + keyPart,
			iothub.Device{HostName: "localhost:8884", DeviceID: "d1", Key: key}},
		{"gateway", "HostName=h;DeviceId=d1" + keyPart + ";GatewayHostName=localhost:8884",
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key, Gateway: "localhost:8884"}},
		{"module", "HostName=h;DeviceId=d1;ModuleId=m1" + keyPart,
			iothub.Device{HostName: "h", DeviceID: "d1", ModuleID: "m1", Key: key}},
		{"policy key", "HostName=h;DeviceId=d1;SharedAccessKeyName=device" + keyPart,
			iothub.Device{HostName: "h", DeviceID: "d1", KeyName: "device", Key: key}},
		{"certificate", "HostName=h;DeviceId=d1;x509=true",
			iothub.Device{HostName: "h", DeviceID: "d1", X509: true}},
		{"certificate, as .NET writes it", "HostName=h;DeviceId=d1;X509=True",
			iothub.Device{HostName: "h", DeviceID: "d1", X509: true}},
		{"ready-made token, whose value has '=' and '&'",
			"HostName=h;DeviceId=d1;SharedAccessSignature=SharedAccessSignature sr=h&sig=x%3D&se=1",
			iothub.Device{HostName: "h", DeviceID: "d1", Signature: "SharedAccessSignature sr=h&sig=x%3D&se=1"}},
		{"any order", "SharedAccessKey=" + testKeyText + ";DeviceId=d1;HostName=h",
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key}},
		{"names in any case", "hostname=h;DEVICEID=d1;sharedaccesskey=" + testKeyText,
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key}},
		{"a line end and a last semicolon", "HostName=h;DeviceId=d1" + keyPart + ";\r\n",
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key}},
		{"every character that an id can have", "HostName=h;DeviceId=aZ9-.%_*?!(),:=@$'" + keyPart,
			iothub.Device{HostName: "h", DeviceID: "aZ9-.%_*?!(),:=@$'", Key: key}},
		{"a semicolon in the id", "HostName=h;DeviceId=X:1;2" + keyPart,
			iothub.Device{HostName: "h", DeviceID: "X:1;2", Key: key}},
		{"semicolons in the last id", "HostName=h" + keyPart + ";DeviceId=X;1;2;",
			iothub.Device{HostName: "h", DeviceID: "X;1;2", Key: key}},
		{"a semicolon in a module's id", "HostName=h;DeviceId=d;ModuleId=a;b" + keyPart,
			iothub.Device{HostName: "h", DeviceID: "d", ModuleID: "a;b", Key: key}},
		{"blanks around the parts", " HostName = h ; DeviceId=d1 ;\tSharedAccessKey=" + testKeyText + " ; ",
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key}},
		{"quotes from a shell", `"HostName=h;DeviceId=d1` + keyPart + `"` + "\n",
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key}},
		{"single quotes from a shell", "'HostName=h;DeviceId=d1" + keyPart + "'",
			iothub.Device{HostName: "h", DeviceID: "d1", Key: key}},
		{"a quote at the end of an id", "HostName=h" + keyPart + ";DeviceId=d'",
			iothub.Device{HostName: "h", DeviceID: "d'", Key: key}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := iothub.ParseDevice(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			again, err := iothub.ParseDevice(got.ConnectionString())
			if err != nil {
				t.Fatalf("ConnectionString returns a text that ParseDevice refuses: %v", err)
			}
			if !reflect.DeepEqual(again, got) {
				t.Errorf("round trip: got %+v, want %+v", again, got)
			}
		})
	}
}

func TestParseService(t *testing.T) {
	t.Parallel()

	text := "HostName=h;SharedAccessKeyName=iothubowner" + keyPart
	got, err := iothub.ParseService("  " + text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	want := iothub.Service{HostName: "h", KeyName: "iothubowner", Key: testKey(t)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}

	if got.ConnectionString() != text {
		t.Errorf("ConnectionString returns another text")
	}
}

// badKey is a key that is not valid base64. Errors must not quote it.
const badKey = "hunter2-hunter2"

func TestConnectionStringErrors(t *testing.T) {
	t.Parallel()

	device := func(s string) error { _, err := iothub.ParseDevice(s); return err }
	service := func(s string) error { _, err := iothub.ParseService(s); return err }

	for _, test := range []struct {
		name  string
		parse func(string) error
		text  string
		want  string // expected part of the error
	}{
		{"nothing", device, "", "the text is empty"},
		{"blanks only", service, " \n", "the text is empty"},
		{"no host", device, "DeviceId=d1" + keyPart, "HostName is missing"},
		{"no host", service, "SharedAccessKeyName=n" + keyPart, "HostName is missing"},
		{"empty host", device, "HostName=;DeviceId=d1" + keyPart, "HostName is empty"},
		{"scheme in the host", device, "HostName=https://h;DeviceId=d1" + keyPart, `HostName contains '/'`},
		{"path in the host", service, "HostName=h/x;SharedAccessKeyName=n" + keyPart, `HostName contains '/'`},
		{"key in the host's place", service, "HostName=" + testKeyText + ";SharedAccessKeyName=n" + keyPart, `HostName contains '='`},
		{"path in the gateway", device, "HostName=h;GatewayHostName=g/x;DeviceId=d1" + keyPart, `GatewayHostName contains '/'`},
		{"no device", device, "HostName=h" + keyPart, "DeviceId is missing"},
		{"a service's string for a device", device, "HostName=h;SharedAccessKeyName=n" + keyPart, "use the device's own"},
		{"a device's string for a service", service, "HostName=h;DeviceId=d1" + keyPart, "the name of part 2 is unknown"},
		{"a blank in the device", device, "HostName=h;DeviceId=d 1" + keyPart, `DeviceId: the device id contains ' '`},
		{"a slash in the device", device, "HostName=h;DeviceId=d/1" + keyPart, `the device id contains '/'`},
		{"a letter that is not ASCII", device, "HostName=h;DeviceId=é" + keyPart, `the device id contains 'é'`},
		{"a device id too long", device, "HostName=h;DeviceId=" + strings.Repeat("x", 129) + keyPart, "129 characters; at most 128"},
		{"a slash in the module", device, "HostName=h;DeviceId=d;ModuleId=a/b" + keyPart, "ModuleId: "},
		{"no key", device, "HostName=h;DeviceId=d1", "SharedAccessKey is missing"},
		{"no key", service, "HostName=h;SharedAccessKeyName=n", "SharedAccessKey is missing"},
		{"x509=false is no proof", device, "HostName=h;DeviceId=d1;x509=false", "SharedAccessKey is missing"},
		{"x509 neither true nor false", device, "HostName=h;DeviceId=d1;x509=" + badKey, "x509 must be true or false"},
		{"no policy", service, "HostName=h" + keyPart, "SharedAccessKeyName is missing"},
		{"key is no base64", device, "HostName=h;DeviceId=d1;SharedAccessKey=" + badKey, "SharedAccessKey: the key is not base64"},
		{"key is no base64", service, "HostName=h;SharedAccessKeyName=n;SharedAccessKey=" + badKey, "SharedAccessKey: the key is not base64"},
		{"key cut short", device, "HostName=h;DeviceId=d1;SharedAccessKey=" + testKeyText[:42], "SharedAccessKey: the key is not base64"},
		{"empty key", device, "HostName=h;DeviceId=d1;SharedAccessKey=", "SharedAccessKey is empty"},
		{"key and certificate", device, "HostName=h;DeviceId=d1;x509=true" + keyPart, "use only one of"},
		{"key and token", device, "HostName=h;DeviceId=d1;SharedAccessSignature=x" + keyPart, "use only one of"},
		{"a part without =", device, "HostName=h;" + badKey + keyPart, "part 2 has no '='"},
		{"an empty part", device, "HostName=h;;DeviceId=d1" + keyPart, "part 2 has no '='"},
		{"an unknown name", device, "HostName=h;Password=" + badKey + keyPart, "the name of part 2 is unknown"},
		{"a name twice", device, "HostName=h;hostname=h;DeviceId=d1" + keyPart, "HostName is given twice"},
		{"a quote at the start only", device, `"HostName=h;DeviceId=d1` + keyPart, `it begins with the quote " but does not end with it`},
		{"another quote at the end", device, `"HostName=h;DeviceId=d1` + keyPart + `'`, `it begins with the quote " but does not end with it`},
		{"a quote only", device, "'", "it begins with the quote '"},
		{"nothing in quotes", device, `""`, "the text is empty"},
		{"two lines", device, "HostName=h;DeviceId=d1" + keyPart + "\nHostName=h;DeviceId=d2" + keyPart, "the text has several lines"},
		{"a hash in the device", device, "HostName=h;DeviceId=a#b" + keyPart, "the device id contains '#', which a topic of MQTT cannot carry; choose another id"},
		{"a plus in the device", device, "HostName=h;DeviceId=a+b" + keyPart, "the device id contains '+', which a topic of MQTT cannot carry; choose another id"},
		{"a part without = after a key", device, "HostName=h;DeviceId=d1" + keyPart + ";2", "part 4 has no '='"},
		{"a misspelled name after the id", device, "HostName=h;DeviceId=d1;SharedAccesKey=" + badKey, "the name of part 3 is unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.parse(test.text)
			if err == nil {
				t.Fatal("the text was accepted; want an error")
			}
			checkErrorText(t, err)
			if !strings.HasPrefix(err.Error(), "connection string: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to contain %q", err, test.want)
			}
			for _, secret := range []string{testKeyText, testKeyText[:20], badKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows the secret: %q", err)
				}
			}
		})
	}
}

// checkErrorText fails the test unless the error's text is one line that a log or a
// terminal can show.
func checkErrorText(t testing.TB, err error) {
	t.Helper()
	text := err.Error()
	if text == "" || strings.TrimSpace(text) != text {
		t.Errorf("the error %q is empty or has blanks around it", text)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			t.Errorf("the error %q has the control character %q", text, r)
		}
	}
}
