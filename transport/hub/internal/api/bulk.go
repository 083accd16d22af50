package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBulk is the maximum number of devices in a bulk change, as IoT Hub documents it.
const maxBulk = 100

// bulkDevice is an entry of a bulk change: a device identity and a patch for the
// device's twin. In this JSON form the device's id is called "id".
type bulkDevice struct {
	ID             string                 `json:"id"`
	ETag           string                 `json:"eTag"`
	ImportMode     iothub.ImportMode      `json:"importMode"`
	Status         iothub.DeviceStatus    `json:"status"`
	StatusReason   *string                `json:"statusReason"`
	Authentication *iothub.Authentication `json:"authentication"`
	Capabilities   iothub.Capabilities    `json:"capabilities"`
	TwinETag       string                 `json:"twinETag"`
	Tags           iothub.Object          `json:"tags"`
	Properties     struct {
		Desired iothub.Object `json:"desired"`
	} `json:"properties"`
}

func (d bulkDevice) identity() iothub.DeviceIdentity {
	return iothub.DeviceIdentity{
		DeviceID: d.ID, Status: d.Status, StatusReason: d.StatusReason,
		Authentication: d.Authentication, Capabilities: d.Capabilities,
	}
}

func (d bulkDevice) twin() iothub.TwinPatch {
	return iothub.TwinPatch{Tags: d.Tags, Properties: &iothub.TwinPatchProperties{Desired: d.Properties.Desired}}
}

type bulkError struct {
	DeviceID    string      `json:"deviceId"`
	ErrorCode   iothub.Code `json:"errorCode"`
	ErrorStatus string      `json:"errorStatus"`
}

type bulkResult struct {
	IsSuccessful bool        `json:"isSuccessful"`
	Errors       []bulkError `json:"errors"`
	Warnings     []struct{}  `json:"warnings"`
}

// bulkDevices changes up to 100 device identities in one request. The changes are
// independent of each other: some may fail while others succeed. If any fails, the
// answer has status 400 and lists the failed devices. If a device occurs twice in the
// list, nothing is changed.
func (a *api) bulkDevices(w http.ResponseWriter, r *http.Request) error {
	var entries []bulkDevice
	if err := read(w, r, &entries); err != nil {
		return err
	}
	if len(entries) < 1 || len(entries) > maxBulk {
		return invalid("the request has %d devices, want 1 to %d", len(entries), maxBulk)
	}
	for i, entry := range entries {
		if slices.ContainsFunc(entries[:i], func(e bulkDevice) bool { return e.ID == entry.ID }) {
			return invalid("device %s occurs more than once in the list, nothing was changed", entry.ID)
		}
	}
	if err := a.Throttle.Take(throttle.Registry, len(entries)); err != nil {
		return err
	}

	result := bulkResult{IsSuccessful: true, Errors: []bulkError{}, Warnings: []struct{}{}}
	for _, entry := range entries {
		action, err := a.changeInBulk(r.Context(), entry)
		changesOf(r.Context()).add(action, entry.ID, err)
		if err == nil {
			continue
		}
		refusal, ok := errors.AsType[*iothub.Error](err)
		if !ok {
			return err
		}
		result.IsSuccessful = false
		result.Errors = append(result.Errors, bulkError{entry.ID, refusal.Code, refusal.Message})
	}

	if !result.IsSuccessful {
		return a.answerStatus(w, http.StatusBadRequest, result)
	}
	return a.answer(w, result)
}

// changeInBulk applies one entry of a bulk change. The entry's import mode says whether
// it creates, updates or deletes the device. changeInBulk returns the name of the change for
// the log of changes.
func (a *api) changeInBulk(ctx context.Context, entry bulkDevice) (action string, err error) {
	mode, etag := entry.parseMode()

	if mode == "createorupdate" {
		_, err = a.createDevice(ctx, entry.identity(), entry.twin())
		if !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceAlreadyExists}) {
			return "create device", err
		}
		mode = "update"
	}

	action = bulkActions[mode]
	if etag == "" {
		return action, invalid("importMode is %s, but the etag is missing, want eTag for the device or twinETag for the twin", entry.ImportMode)
	}

	switch mode {
	case "create", "":
		_, err = a.createDevice(ctx, entry.identity(), entry.twin())
	case "update":
		_, err = a.updateDevice(ctx, entry.identity(), etag)
	case "updatetwin":
		_, err = a.Store.UpdateTwin(ctx, entry.ID, entry.twin(), etag, false, func(desired iothub.Object) {
			a.Broker.SendDesired(entry.ID, desired)
		})
	case "delete":
		err = a.removeDevice(ctx, entry.ID, etag)
	}
	return action, err
}

// bulkActions maps the operations of parseMode to names for the log of changes.
var bulkActions = map[string]string{
	"": "create device", "create": "create device", "update": "update device", "delete": "delete device", "updatetwin": "change twin",
}

// parseMode returns the operation in the entry's import mode: the mode in lower case,
// without the suffix IfMatchETag. It also returns the etag that the device or the twin
// must have:
//
//   - "*" means any etag.
//   - "" means that the mode requires an etag but the entry has none.
func (d bulkDevice) parseMode() (mode, etag string) {
	mode, mustMatch := strings.CutSuffix(strings.ToLower(string(d.ImportMode)), "ifmatchetag")
	switch {
	case !mustMatch:
		return mode, "*"
	case mode == "updatetwin":
		return mode, strings.Trim(d.TwinETag, `"`)
	default:
		return mode, strings.Trim(d.ETag, `"`)
	}
}
