package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

const maxBulk = 100

// bulkDevice is an entry of a bulk change: an identity whose id is called "id".
type bulkDevice struct {
	ID             string                 `json:"id"`
	ETag           string                 `json:"eTag"`
	ImportMode     string                 `json:"importMode"`
	Status         string                 `json:"status"`
	StatusReason   *string                `json:"statusReason"`
	Authentication *iothub.Authentication `json:"authentication"`
	Capabilities   iothub.Capabilities    `json:"capabilities"`
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
// not hold up the others, and is named in the answer, which is then a 400.
func (a *api) bulkDevices(w http.ResponseWriter, r *http.Request) error {
	var entries []bulkDevice
	if err := read(w, r, &entries); err != nil {
		return err
	}
	if len(entries) < 1 || len(entries) > maxBulk {
		return invalid("the request has %d devices, want 1 to %d", len(entries), maxBulk)
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
	switch strings.ToLower(entry.ImportMode) {
	case "create", "":
		_, err = a.Store.CreateDevice(ctx, d)
	case "createorupdate":
		_, err = a.Store.CreateDevice(ctx, d)
		if errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceAlreadyExists}) {
			_, err = a.updateDevice(ctx, d, "*")
		}
	case "update":
		_, err = a.updateDevice(ctx, d, "*")
	case "updateifmatchetag":
		_, err = a.updateDevice(ctx, d, strings.Trim(entry.ETag, `"`))
	case "delete":
		err = a.removeDevice(ctx, entry.ID, "*")
	case "deleteifmatchetag":
		err = a.removeDevice(ctx, entry.ID, strings.Trim(entry.ETag, `"`))
	default:
		err = invalid("importMode is %q, it can be create, createOrUpdate, update, updateIfMatchETag, delete or deleteIfMatchETag", entry.ImportMode)
	}
	return err
}
