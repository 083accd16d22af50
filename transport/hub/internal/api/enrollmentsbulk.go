package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBulkEnrollments is the maximum number of enrollments in a bulk change, as the
// provisioning service documents it.
const maxBulkEnrollments = 10

// enrollmentError says why an enrollment of a bulk change failed.
type enrollmentError struct {
	RegistrationID string `json:"registrationId,omitempty"`
	GroupID        string `json:"enrollmentGroupId,omitempty"`
	ErrorCode      int    `json:"errorCode"`
	ErrorStatus    string `json:"errorStatus"`
}

type enrollmentsResult struct {
	IsSuccessful bool              `json:"isSuccessful"`
	Errors       []enrollmentError `json:"errors"`
}

// bulk creates, changes or deletes up to 10 enrollments. The changes are independent of
// each other; the answer lists the failed enrollments.
func (e enrollments) bulk(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Mode        iothub.BulkOperation      `json:"mode"`
		Enrollments []provisioning.Enrollment `json:"enrollments"`
		Groups      []provisioning.Enrollment `json:"enrollmentGroups"`
	}
	if err := read(w, r, &request); err != nil {
		return err
	}

	list, name := request.Enrollments, "enrollments"
	if e.group {
		list, name = request.Groups, "enrollmentGroups"
	}
	if request.Mode == "" {
		return invalid("mode is missing, want create, update, updateIfMatchETag or delete")
	}
	if len(list) < 1 || len(list) > maxBulkEnrollments {
		return invalid("%s has %d entries, want 1 to %d", name, len(list), maxBulkEnrollments)
	}

	result := enrollmentsResult{IsSuccessful: true, Errors: []enrollmentError{}}
	for _, enrollment := range list {
		err := e.changeInBulk(r.Context(), enrollment, request.Mode)
		changesOf(r.Context()).add(e.action(request.Mode), enrollment.RegistrationID+enrollment.GroupID, err)
		if refusal, ok := errors.AsType[*iothub.Error](err); ok {
			result.IsSuccessful = false
			result.Errors = append(result.Errors, enrollmentError{RegistrationID: enrollment.RegistrationID,
				GroupID: enrollment.GroupID, ErrorCode: refusal.Code.Number(), ErrorStatus: refusal.Message})
			continue
		}
		if err != nil {
			return err
		}
	}
	return e.answer(w, result)
}

// action returns the name of a bulk change for the log of changes.
func (e enrollments) action(mode iothub.BulkOperation) string {
	thing := "enrollment"
	if e.group {
		thing = "enrollment group"
	}
	switch mode {
	case iothub.BulkCreate:
		return "create " + thing
	case iothub.BulkDelete:
		return "delete " + thing
	}
	return "update " + thing
}

// changeInBulk applies a bulk change to one enrollment.
func (e enrollments) changeInBulk(ctx context.Context, enrollment provisioning.Enrollment, mode iothub.BulkOperation) error {
	id, other := enrollment.RegistrationID, enrollment.GroupID
	if e.group {
		id, other = other, id
	}
	if id == "" || other != "" {
		return invalid("want registrationId in an enrollment and enrollmentGroupId in an enrollment group")
	}

	etag := "*"
	switch mode {
	case iothub.BulkCreate:
		etag = ""
	case iothub.BulkDelete:
		return e.Provisioning.Delete(ctx, e.group, id, etag)
	case iothub.BulkUpdateIfMatchETag:
		if etag = enrollment.ETag; etag == "" {
			return invalid("mode is %s, but the enrollment has no etag", mode)
		}
	}
	_, err := e.Provisioning.Put(ctx, enrollment, etag)
	return err
}
