package api

import (
	"net/http"
	"regexp"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/store"
)

// authorityBody is the JSON form of a certificate authority. It is the form of Azure
// Resource Manager, which manages the authorities of an IoT Hub.
type authorityBody struct {
	Name       string              `json:"name"`
	Properties authorityProperties `json:"properties"`
}

type authorityProperties struct {
	Subject     string    `json:"subject"`
	Expiry      time.Time `json:"expiry"`
	Thumbprint  string    `json:"thumbprint"`
	IsVerified  bool      `json:"isVerified"`
	Created     time.Time `json:"created"`
	Certificate []byte    `json:"certificate"`
}

func newAuthorityBody(a store.Authority) authorityBody {
	return authorityBody{Name: a.Name, Properties: authorityProperties{
		Subject:     a.Certificate.Subject.String(),
		Expiry:      a.Certificate.NotAfter.UTC(),
		Thumbprint:  access.Thumbprint(a.Certificate),
		IsVerified:  true, // a service that may add authorities need not prove that it has the private key
		Created:     a.Created,
		Certificate: a.Certificate.Raw,
	}}
}

var authorityName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// putAuthority adds a certificate authority. Devices can then log in with certificates
// that the authority has signed.
func (a *api) putAuthority(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Properties struct {
			Certificate string `json:"certificate"`
		} `json:"properties"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}

	name := r.PathValue("name")
	if !authorityName.MatchString(name) {
		return invalid("the authority's name is %q, want 1 to 64 ASCII letters, digits and -._, with a letter or a digit first", name)
	}
	cert, err := access.ParseCertificate(body.Properties.Certificate)
	if err == nil {
		err = access.CheckAuthority(cert, a.Now())
	}
	if err != nil {
		return invalid("properties.certificate: %v", err)
	}

	added, err := a.Store.AddAuthority(r.Context(), name, cert)
	if err != nil {
		return err
	}
	return a.answer(w, newAuthorityBody(added))
}

func (a *api) listAuthorities(w http.ResponseWriter, r *http.Request) error {
	stored, err := a.Store.Authorities(r.Context())
	if err != nil {
		return err
	}

	list := make([]authorityBody, len(stored))
	for i, authority := range stored {
		list[i] = newAuthorityBody(authority)
	}
	return a.answer(w, map[string]any{"value": list})
}

// deleteAuthority deletes a certificate authority. It then disconnects all devices that
// log in with a certificate signed by any authority, because the store does not record
// which authority signed it. Devices of the remaining authorities can connect again at
// once.
func (a *api) deleteAuthority(w http.ResponseWriter, r *http.Request) error {
	devices, err := a.Store.RemoveAuthority(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}

	for _, id := range devices {
		a.Broker.Disconnect(id)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
