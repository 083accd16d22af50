package provisioning

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/store"
)

// Put stores an enrollment and returns it in its stored form. If ifMatch is empty, Put
// creates the enrollment. Otherwise it changes the existing enrollment, whose etag must
// match.
func (s *Service) Put(ctx context.Context, e Enrollment, ifMatch string) (Enrollment, error) {
	now := s.now().UTC()
	e.Created, e.Updated = now, now
	e.ETag = ""

	if ifMatch != "" {
		previous, err := s.Get(ctx, e.isGroup(), e.id())
		if err != nil {
			return Enrollment{}, err
		}
		e.Created = previous.Created
		e.RegistrationID, e.GroupID = previous.RegistrationID, previous.GroupID // keep the spelling of the id
		keepKeys(&e.Attestation, previous.Attestation)
		if e.Invitation == nil {
			e.Invitation = previous.Invitation // SDKs do not know it and leave it out
		}
	}
	if err := e.complete(); err != nil {
		return Enrollment{}, err
	}
	if e.Invitation != nil && e.Invitation.Expires.After(now.Add(MaxValidity)) {
		return Enrollment{}, invalid("invitation.expires is %s, want at most %s from now", e.Invitation.Expires.Format(time.RFC3339), MaxValidity)
	}

	if e.InitialTwin != nil {
		if err := store.CheckInitialTwin(*e.InitialTwin); err != nil {
			return Enrollment{}, err
		}
	}

	body, err := json.Marshal(e)
	if err != nil {
		return Enrollment{}, err
	}
	if len(body) > maxBody {
		return Enrollment{}, invalid("the enrollment takes %d bytes, at most %d are allowed", len(body), maxBody)
	}

	if e.isGroup() {
		if ifMatch == "" {
			if err := s.checkRoom(ctx); err != nil {
				return Enrollment{}, err
			}
		}
		defer s.groups.changed()
	}
	e.ETag, err = s.store.PutEnrollment(ctx, store.Enrollment{Group: e.isGroup(), ID: e.id(), Body: body}, ifMatch)
	return e, err
}

// keepKeys keeps the keys of an enrollment when an update contains none. It copies them
// from the previous attestation, if that has the same type.
func keepKeys(a *Attestation, previous Attestation) {
	if a.Type == previous.Type && previous.SymmetricKey != nil && a.SymmetricKey == nil {
		keys := *previous.SymmetricKey
		a.SymmetricKey = &keys
	}
}

// Get returns an enrollment with its keys. It fails with NotFound if the enrollment does
// not exist.
func (s *Service) Get(ctx context.Context, group bool, id string) (Enrollment, error) {
	stored, err := s.store.Enrollment(ctx, group, id)
	if err != nil {
		return Enrollment{}, err
	}
	return parse(stored)
}

// List returns all individual enrollments or all group enrollments, sorted by id.
func (s *Service) List(ctx context.Context, group bool) ([]Enrollment, error) {
	stored, err := s.store.Enrollments(ctx, group)
	if err != nil {
		return nil, err
	}

	list := make([]Enrollment, len(stored))
	for i := range stored {
		if list[i], err = parse(stored[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Delete deletes an enrollment. Devices that have registered with it remain in the hub.
func (s *Service) Delete(ctx context.Context, group bool, id, ifMatch string) error {
	if group {
		defer s.groups.changed()
	}
	return s.store.DeleteEnrollment(ctx, group, id, ifMatch)
}

func parse(stored store.Enrollment) (Enrollment, error) {
	var e Enrollment
	if err := json.Unmarshal(stored.Body, &e); err != nil {
		return e, fmt.Errorf("parse the stored enrollment %s: %w", stored.ID, err)
	}
	e.ETag = stored.ETag
	return e, nil
}
