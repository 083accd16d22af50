package api

import (
	"net/http"
	"regexp"
	"time"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/hub/store"
)

// shownAuthority is a certificate authority as Azure Resource Manager shows one,
// which has the API for them in IoT Hub's place.
type shownAuthority struct {
	Name       string `json:"name"`
	Properties struct {
		Subject     string    `json:"subject"`
		Expiry      time.Time `json:"expiry"`
		Thumbprint  string    `json:"thumbprint"`
		IsVerified  bool      `json:"isVerified"`
		Created     time.Time `json:"created"`
		Certificate []byte    `json:"certificate"`
	} `json:"properties"`
}

func shownAs(a store.Authority) shownAuthority {
	s := shownAuthority{Name: a.Name}
	p := &s.Properties
	p.Subject, p.Expiry, p.Thumbprint = a.Certificate.Subject.String(), a.Certificate.NotAfter.UTC(), access.Thumbprint(a.Certificate)
	// Whoever may add one is believed to know whose it is.
	p.IsVerified, p.Created, p.Certificate = true, a.Created, a.Certificate.Raw
	return s
}

var authorityName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// putAuthority adds an authority for the certificates of devices.
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
	return a.answer(w, shownAs(added))
}

func (a *api) listAuthorities(w http.ResponseWriter, r *http.Request) error {
	stored, err := a.Store.Authorities(r.Context())
	if err != nil {
		return err
	}
	list := make([]shownAuthority, len(stored))
	for i, authority := range stored {
		list[i] = shownAs(authority)
	}
	return a.answer(w, map[string]any{"value": list})
}

// deleteAuthority removes an authority and ends the links of all devices that
// come by one. Those that another vouches for come back.
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
