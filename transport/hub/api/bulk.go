package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

const maxBulk = 100

// bulkDevice is an entry of a bulk change: an identity whose id is called "id",
// and what is wanted of its twin.
type bulkDevice struct {
	ID             string                 `json:"id"`
	ETag           string                 `json:"eTag"`
	ImportMode     string                 `json:"importMode"`
	Status         string                 `json:"status"`
	StatusReason   *string                `json:"statusReason"`
	Authentication *iothub.Authentication `json:"authentication"`
	Capabilities   iothub.Capabilities    `json:"capabilities"`
	TwinETag       string                 `json:"twinETag"`
	Tags           iothub.Object          `json:"tags"`
	Properties     struct {
		Desired iothub.Object `json:"desired"`
	} `json:"properties"`
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

// bulkDevices changes up to 100 identities, each by itself: one that fails does
// not hold up the others, and is named in the answer, which is then a 400. Nothing
// is done if a device stands twice in the list.
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
			return invalid("the device %s stands more than once in the list, nothing was changed", entry.ID)
		}
	}
	if err := a.Throttle.Take(throttle.Registry, len(entries)); err != nil {
		return err
	}
	result := bulkResult{IsSuccessful: true, Errors: []bulkError{}, Warnings: []struct{}{}}
	for _, entry := range entries {
		err := a.change(r.Context(), entry)
		var refusal *iothub.Error
		switch {
		case err == nil:
			continue
		case !errors.As(err, &refusal):
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

func (a *api) change(ctx context.Context, entry bulkDevice) (err error) {
	d := iothub.DeviceIdentity{
		DeviceID: entry.ID, Status: entry.Status, StatusReason: entry.StatusReason,
		Authentication: entry.Authentication, Capabilities: entry.Capabilities,
	}
	mode, matches := strings.CutSuffix(strings.ToLower(entry.ImportMode), "ifmatchetag")
	unknown := invalid("importMode is %q, it can be create, createOrUpdate, update, updateTwin or delete, "+
		"and all but create also with IfMatchETag at the end", entry.ImportMode)
	etag := "*"
	switch {
	case matches && (mode == "create" || mode == ""):
		return unknown
	case matches && mode == "updatetwin":
		etag = strings.Trim(entry.TwinETag, `"`)
	case matches:
		etag = strings.Trim(entry.ETag, `"`)
	}
	if mode == "createorupdate" {
		_, err = a.Store.CreateDeviceWithTwin(ctx, d, entry.twin())
		if !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceAlreadyExists}) {
			return err
		}
		mode = "update"
	}
	if etag == "" {
		return invalid("importMode is %s, and the etag to match is missing (eTag, or twinETag of a twin)", entry.ImportMode)
	}
	switch mode {
	case "create", "":
		_, err = a.Store.CreateDeviceWithTwin(ctx, d, entry.twin())
	case "update":
		_, err = a.updateDevice(ctx, d, etag)
	case "updatetwin":
		err = a.updateTwin(ctx, entry, etag)
	case "delete":
		err = a.removeDevice(ctx, entry.ID, etag)
	default:
		err = unknown
	}
	return err
}

func (a *api) updateTwin(ctx context.Context, entry bulkDevice, etag string) error {
	_, err := a.Store.UpdateTwin(ctx, entry.ID, entry.twin(), etag, false, func(desired iothub.Object) {
		a.Broker.SendDesired(entry.ID, desired)
	})
	return err
}
