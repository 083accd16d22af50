package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

// maxEnrollments is the maximum number of enrollments in one page of a list.
const maxEnrollments = 1000

// enrollments implements the enrollment API of Azure's provisioning service. If group
// is true, it serves enrollment groups, otherwise individual enrollments.
type enrollments struct {
	*api
	group bool
}

// put creates an enrollment. If the request has an If-Match header, put changes an
// existing enrollment instead.
func (e enrollments) put(w http.ResponseWriter, r *http.Request) error {
	var body provisioning.Enrollment
	if err := read(w, r, &body); err != nil {
		return err
	}

	id := r.PathValue("id")
	field, name := &body.RegistrationID, "registrationId"
	if e.group {
		field, name = &body.GroupID, "enrollmentGroupId"
	}
	if *field != "" && !strings.EqualFold(*field, id) {
		return invalid("%s is %q in the body and %q in the URL", name, *field, id)
	}
	body.RegistrationID, body.GroupID = "", ""
	*field = id

	etag, given := ifMatch(r)
	if given {
		changesOf(r.Context()).whole.Action = e.action(iothub.BulkUpdate)
	}
	stored, err := e.Provisioning.Put(r.Context(), body, etag)
	if err != nil {
		return err
	}
	return e.answerWithoutKeys(w, stored)
}

func (e enrollments) get(w http.ResponseWriter, r *http.Request) error {
	stored, err := e.Provisioning.Get(r.Context(), e.group, r.PathValue("id"))
	if err != nil {
		return err
	}
	return e.answerWithoutKeys(w, stored)
}

// answerWithoutKeys sends an enrollment to the client without the enrollment's keys.
// Clients that may write the registry can read the keys with the attestation request.
func (e enrollments) answerWithoutKeys(w http.ResponseWriter, enrollment provisioning.Enrollment) error {
	enrollment.Attestation.SymmetricKey = nil
	if err := enrollment.AddCertificateInfo(); err != nil {
		return err
	}
	setETag(w, enrollment.ETag)
	return e.answer(w, enrollment)
}

// attestation answers with the keys or the certificates of an enrollment.
func (e enrollments) attestation(w http.ResponseWriter, r *http.Request) error {
	stored, err := e.Provisioning.Get(r.Context(), e.group, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := stored.AddCertificateInfo(); err != nil {
		return err
	}
	return e.answer(w, stored.Attestation)
}

func (e enrollments) delete(w http.ResponseWriter, r *http.Request) error {
	etag, _ := ifMatch(r)
	if err := e.Provisioning.Delete(r.Context(), e.group, r.PathValue("id"), etag); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// query lists all enrollments without their keys; it does not support conditions. A
// page's continuation token contains the id of the last enrollment on the page.
func (e enrollments) query(w http.ResponseWriter, r *http.Request) error {
	var body struct{ Query string }
	if err := read(w, r, &body); err != nil {
		return err
	}

	collection := "enrollments"
	if e.group {
		collection = "enrollmentGroups"
	}
	if !selectsAll(body.Query, collection) {
		return invalid("query is %.200q, want SELECT * or SELECT * FROM %s: this hub supports no other query of enrollments", body.Query, collection)
	}

	size, err := pageSize(r, maxEnrollments, maxEnrollments)
	if err != nil {
		return err
	}
	list, err := e.Provisioning.List(r.Context(), e.group)
	if err != nil {
		return err
	}

	after, err := e.Store.ParseContinuation(collection, continuation(r))
	if err != nil {
		return err
	}
	page := []provisioning.Enrollment{}
	for _, stored := range list {
		id := stored.RegistrationID + stored.GroupID
		if id <= after {
			continue
		}
		if len(page) == size {
			last := page[size-1]
			w.Header().Set("x-ms-continuation", e.Store.NewContinuation(collection, last.RegistrationID+last.GroupID))
			break
		}
		stored.Attestation.SymmetricKey = nil
		if err := stored.AddCertificateInfo(); err != nil {
			return err
		}
		page = append(page, stored)
	}
	return e.answer(w, page)
}

// azQuery is the form in which az (azure-iot extension 0.25) sends a query of
// enrollments: the printed form of a Python object that contains the query.
var azQuery = regexp.MustCompile(`^\{'additional_properties': \{\}, 'query': '(.*)'\}$`)

// selectsAll reports whether a query selects all members of a collection.
func selectsAll(query, collection string) bool {
	query = azQuery.ReplaceAllString(query, "$1")
	query = strings.Join(strings.Fields(query), " ")
	return slices.ContainsFunc([]string{"*", "SELECT *", "SELECT * FROM " + collection}, func(all string) bool {
		return strings.EqualFold(query, all)
	})
}

// idScope returns the hub's id scope, which a device needs for its registration. In
// Azure, a different API returns the id scope.
func (a *api) idScope(w http.ResponseWriter, _ *http.Request) error {
	return a.answer(w, map[string]string{"idScope": a.Store.IDScope()})
}
