package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestCreateDevicesInHundreds(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, `{"isSuccessful":true,"errors":[]}`) })
	c, _ := hub.client(t)
	devices := make([]iothub.DeviceIdentity, 205)
	for i := range devices {
		devices[i].DeviceID = fmt.Sprintf("d%03d", i)
	}
	if refusals, err := c.CreateDevices(t.Context(), devices); err != nil || refusals != nil {
		t.Fatal(refusals, err)
	}

	var sizes []int
	for _, call := range hub.recorded() {
		var body []struct{ ID string }
		if err := json.Unmarshal([]byte(call.Body), &body); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(body))
	}

	if !reflect.DeepEqual(sizes, []int{100, 100, 5}) {
		t.Errorf("sizes %v", sizes)
	}
}

func TestCreateDevicesRefused(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, answer string
		status       int
		want         []BulkError
		wantErr      string
	}{
		{name: "by name", status: 200, answer: `{"isSuccessful":false,"errors":[{"deviceId":"a","errorCode":"DeviceAlreadyExists","errorStatus":"is there"}]}`,
			want: []BulkError{{"a", "DeviceAlreadyExists", "is there"}}},
		{name: "by number, with status 400", status: 400, answer: `{"isSuccessful":false,"errors":[{"deviceId":"a","errorCode":409001,"errorStatus":"is there"}]}`,
			want: []BulkError{{"a", "409001", "is there"}}},
		{name: "without a reason", status: 200, answer: `{"isSuccessful":false,"errors":[]}`, wantErr: "without a reason"},
		{name: "all", status: 400, answer: `{"Message":"ErrorCode:ArgumentInvalid;no ids"}`, wantErr: "no ids (ArgumentInvalid 400004)"},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { respond(w, tt.status, tt.answer) })
			c, _ := hub.client(t)
			got, err := c.CreateDevices(t.Context(), []iothub.DeviceIdentity{{DeviceID: "a"}})
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("refusals %+v, want %+v", got, tt.want)
			}
			if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
}
