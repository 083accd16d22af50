package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/latchd/latchd/transport/hub/provisioning"
)

// maxEnrollments is the longest page of a list.
const maxEnrollments = 1000

// enrollments serves the enrolments of one kind, as Azure's provisioning service
// does.
type enrollments struct {
	*api
	group bool
}

func (e enrollments) put(w http.ResponseWriter, r *http.Request) error {
	var body provisioning.Enrollment
	if err := read(w, r, &body); err != nil {
		return err
	}
	id, given, name := r.PathValue("id"), &body.RegistrationID, "registrationId"
	if e.group {
		given, name = &body.GroupID, "enrollmentGroupId"
	}
	if *given != "" && *given != id {
		return invalid("%s in the body is %q, the address says %q", name, *given, id)
	}
	body.RegistrationID, body.GroupID = "", ""
	*given = id
	etag, _ := ifMatch(r)
	stored, err := e.Provisioning.Put(r.Context(), body, etag)
	if err != nil {
		return err
	}
	return e.show(w, stored)
}

func (e enrollments) get(w http.ResponseWriter, r *http.Request) error {
	stored, err := e.Provisioning.Get(r.Context(), e.group, r.PathValue("id"))
	if err != nil {
		return err
	}
	return e.show(w, stored)
}

// show answers an enrolment without its keys: those are an answer of their own,
// which takes the right to write.
func (e enrollments) show(w http.ResponseWriter, shown provisioning.Enrollment) error {
	shown.Attestation.SymmetricKey = nil
	setETag(w, shown.ETag)
	return e.answer(w, shown)
}

func (e enrollments) attestation(w http.ResponseWriter, r *http.Request) error {
	stored, err := e.Provisioning.Get(r.Context(), e.group, r.PathValue("id"))
	if err != nil {
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

// query lists all enrolments; conditions are not served. A page goes on where
// x-ms-continuation says: after that id.
func (e enrollments) query(w http.ResponseWriter, r *http.Request) error {
	var body struct{ Query string }
	if err := read(w, r, &body); err != nil {
		return err
	}
	from := "enrollments"
	if e.group {
		from = "enrollmentGroups"
	}
	if text := strings.Join(strings.Fields(body.Query), " "); text != "*" && !strings.EqualFold(text, "SELECT * FROM "+from) {
		return invalid("query: of enrolments, all can be listed: SELECT * FROM %s", from)
	}
	size := maxEnrollments
	if text := r.Header.Get("x-ms-max-item-count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return invalid("x-ms-max-item-count is %q, want a number from 1 on", text)
		}
		size = min(n, maxEnrollments)
	}
	list, err := e.Provisioning.List(r.Context(), e.group)
	if err != nil {
		return err
	}
	after := r.Header.Get("x-ms-continuation")
	page := []provisioning.Enrollment{}
	for _, stored := range list {
		id := stored.RegistrationID + stored.GroupID
		if id <= after {
			continue
		}
		if len(page) == size {
			last := page[size-1]
			w.Header().Set("x-ms-continuation", last.RegistrationID+last.GroupID)
			break
		}
		stored.Attestation.SymmetricKey = nil
		page = append(page, stored)
	}
	return e.answer(w, page)
}

// idScope tells what devices are to be given beside their secret. Azure shows it
// in the description of the service, which is another API.
func (a *api) idScope(w http.ResponseWriter, _ *http.Request) error {
	return a.answer(w, map[string]string{"idScope": a.Store.IDScope()})
}
