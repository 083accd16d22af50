package api

import (
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/people"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

// invited is the answer to an invitation.
type invited struct {
	Code    string    `json:"code"` // a secret
	Hub     string    `json:"hub"`  // address of the hub in the code
	Expires time.Time `json:"expires"`
}

// inviteDoor invites a gateway to register the device {id}, and answers with the code.
func (a *api) inviteDoor(w http.ResponseWriter, r *http.Request) error {
	var body provisioning.InviteRequest
	if err := read(w, r, &body); err != nil {
		return err
	}

	door, err := a.Provisioning.Invite(r.Context(), r.PathValue("id"), body)
	if err != nil {
		return err
	}
	code, err := door.Code()
	if err != nil {
		return err
	}
	return a.answer(w, invited{code, door.Hub, door.Expires.UTC()})
}

// invitePerson invites the person {id} to use the service API, and answers with the code.
func (a *api) invitePerson(w http.ResponseWriter, r *http.Request) error {
	var body people.InviteRequest
	if err := read(w, r, &body); err != nil {
		return err
	}

	person, err := a.People.Invite(r.Context(), r.PathValue("id"), body)
	if err != nil {
		return err
	}
	code, err := person.Code()
	if err != nil {
		return err
	}
	return a.answer(w, invited{code, person.Hub, person.Expires.UTC()})
}

// redeem answers a person, who has a code, with the person's new key.
func (a *api) redeem(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("id")
	if policy := access.ClaimedPolicy(r.Header.Get("Authorization")); policy != name {
		return iothub.Errorf(iothub.CodeUnauthorizedAccess, "the token is of the policy %s, but the code is for %s", policy, name)
	}

	key, err := a.People.Redeem(r.Context(), name)
	if err != nil {
		return err
	}
	return a.answer(w, map[string]string{"key": key.Base64()})
}

// listedPolicy is a person in the list of policies.
type listedPolicy struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Active  bool       `json:"active"` // the person has a key
	Expires *time.Time `json:"invitationExpires,omitempty"`
}

// listPeople answers with the access of all persons, without keys.
func (a *api) listPeople(w http.ResponseWriter, _ *http.Request) error {
	list := []listedPolicy{}
	for _, person := range a.People.List() {
		listed := listedPolicy{Name: person.Name, Role: string(person.Role), Active: person.Active}
		if !person.Expires.IsZero() {
			listed.Expires = &person.Expires
		}
		list = append(list, listed)
	}
	return a.answer(w, map[string]any{"value": list})
}

// revoke ends the access of the person {id}.
func (a *api) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := a.People.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
