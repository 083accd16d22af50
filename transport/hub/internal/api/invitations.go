package api

import (
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/provisioning"
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
