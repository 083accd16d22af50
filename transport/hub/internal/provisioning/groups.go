package provisioning

import (
	"context"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// maxGroups is the maximum number of enrollment groups. Azure's provisioning service allows
// 100 with certificates and 100 with keys.
const maxGroups = 200

// maxBody is the maximum size of a stored enrollment, in bytes. It exceeds a twin of the
// largest size with two certificates.
const maxBody = 128 << 10

// groupCache holds all group enrollments in memory: a stranger who tries to register makes
// the hub look at all of them.
type groupCache struct {
	mu    sync.Mutex
	list  []Enrollment // read only
	valid bool
}

// get returns the groups. It calls read if they have changed since the previous call.
func (c *groupCache) get(read func() ([]Enrollment, error)) ([]Enrollment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.valid {
		return c.list, nil
	}

	list, err := read()
	c.list, c.valid = list, err == nil
	return list, err
}

// changed makes the next call of get read the groups again. Call it after each write.
func (c *groupCache) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.valid = nil, false
}

// checkRoom refuses a new group if there are maxGroups.
func (s *Service) checkRoom(ctx context.Context) error {
	list, err := s.groups.get(func() ([]Enrollment, error) { return s.List(ctx, true) })
	if err == nil && len(list) >= maxGroups {
		return iothub.Errorf(iothub.CodeQuotaExceeded, "the hub has %d enrollment groups, and more are not allowed: delete a group", maxGroups)
	}
	return err
}
