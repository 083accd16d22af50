package provisioning

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/latchd/latchd/transport/hub/store"
)

// Put stores an enrolment, a new one without ifMatch, and returns it as it is then.
func (s *Service) Put(ctx context.Context, e Enrollment, ifMatch string) (Enrollment, error) {
	group := e.GroupID != ""
	now := s.now().UTC()
	e.Created, e.Updated, e.ETag = now, now, ""
	if ifMatch != "" {
		before, err := s.Get(ctx, group, e.id())
		if err != nil {
			return Enrollment{}, err
		}
		e.Created = before.Created
		keepKeys(&e.Attestation, before.Attestation)
	}
	if err := e.complete(); err != nil {
		return Enrollment{}, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return Enrollment{}, err
	}
	e.ETag, err = s.store.PutEnrollment(ctx, store.Enrollment{Group: group, ID: e.id(), Body: body}, ifMatch)
	return e, err
}

// keepKeys leaves keys that are not given as they are.
func keepKeys(a *Attestation, before Attestation) {
	if a.Type == before.Type && before.SymmetricKey != nil && a.SymmetricKey == nil {
		keys := *before.SymmetricKey
		a.SymmetricKey = &keys
	}
}

// Get returns an enrolment with its keys, or NotFound.
func (s *Service) Get(ctx context.Context, group bool, id string) (Enrollment, error) {
	stored, err := s.store.Enrollment(ctx, group, id)
	if err != nil {
		return Enrollment{}, err
	}
	return read(stored)
}

// List returns all enrolments of a kind, in the order of their ids.
func (s *Service) List(ctx context.Context, group bool) ([]Enrollment, error) {
	stored, err := s.store.Enrollments(ctx, group)
	list := make([]Enrollment, len(stored))
	for i := range stored {
		if err == nil {
			list[i], err = read(stored[i])
		}
	}
	return list, err
}

// Delete removes an enrolment. Devices that came by it stay.
func (s *Service) Delete(ctx context.Context, group bool, id, ifMatch string) error {
	return s.store.DeleteEnrollment(ctx, group, id, ifMatch)
}

func read(stored store.Enrollment) (Enrollment, error) {
	var e Enrollment
	if err := json.Unmarshal(stored.Body, &e); err != nil {
		return e, fmt.Errorf("the stored enrolment %s: %w", stored.ID, err)
	}
	e.ETag = stored.ETag
	return e, nil
}
