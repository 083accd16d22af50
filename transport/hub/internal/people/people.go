// Package people manages the access of single persons to the service API. Each person has
// a key of their own, as a shared access policy of the person's name. Open a [People] with
// [Open] and pass it to the access checker and to the API.
//
// Guarantees:
//   - An invitation's code contains a one-time key, which permits only [People.Redeem]. It
//     returns the person's key. The first request with this key ends the code, and that is
//     on disk before the request is answered. Until then the code can be used again, and
//     only the key of its latest use is valid.
//   - When Revoke returns, the person has no access: no new request is accepted, and the
//     contexts of running requests have ended.
//   - The number of persons is at most MaxPeople.
package people

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// MaxPeople is the maximum number of persons.
const MaxPeople = 1000

// Role says what a person may do.
type Role string

// The roles. Neither can read keys or change devices and enrollments.
const (
	Viewer   Role = "viewer"   // reads twins, jobs and events
	Operator Role = "operator" // also calls methods, creates jobs and changes twins
)

func (r Role) rights() access.Right {
	switch r {
	case Viewer:
		return access.ServiceRead
	case Operator:
		return access.ServiceConnect
	}
	return 0
}

// Person is the access of one person.
type Person struct {
	Name    string
	Role    Role
	Expires time.Time // when the code expires; zero if there is no code
	Active  bool      // the person has a key
}

// record is the stored form of a person's access.
type record struct {
	Role Role   `json:"role"`
	Key  string `json:"key,omitempty"`
	Code *code  `json:"code,omitempty"`
}

type code struct {
	Key     string    `json:"key"`
	Expires time.Time `json:"expires"`
}

// person is a person's access in memory.
type person struct {
	name string
	record
	running map[*request]struct{}
}

// request is a running request of a person.
type request struct{ cancel context.CancelCauseFunc }

// People holds the access of all persons. Its methods may be called from any goroutine.
type People struct {
	store    *store.Store
	now      func() time.Time
	hub      func() string
	ca       *x509.Certificate
	reserved []string

	writing sync.Mutex // held during each change, which needs the disk

	mu     sync.Mutex
	byName map[string]*person // by the lower-case name
}

// Options are the parts of the hub that a People needs.
type Options struct {
	Store    *store.Store
	Now      func() time.Time
	Hub      func() string     // returns HOST:PORT of the service API, for codes
	CA       *x509.Certificate // certificate that a client must trust, for codes
	Reserved []string          // names of the hub's other policies
}

// Open reads the access of all persons.
func Open(ctx context.Context, opts Options) (*People, error) {
	stored, err := opts.Store.People(ctx)
	if err != nil {
		return nil, err
	}

	p := &People{store: opts.Store, now: opts.Now, hub: opts.Hub, ca: opts.CA, reserved: opts.Reserved, byName: make(map[string]*person)}
	for name, body := range stored {
		who := &person{name: name, running: make(map[*request]struct{})}
		if err := json.Unmarshal(body, &who.record); err != nil {
			return nil, fmt.Errorf("parse the stored access of %s: %w", name, err)
		}
		p.byName[strings.ToLower(name)] = who
	}
	return p, nil
}

// Policies returns the shared access policies of the person with the given name: one for
// the person's key and one for the key of a valid code.
func (p *People) Policies(name string) []access.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.byName[strings.ToLower(name)]
	if who == nil || who.name != name {
		return nil
	}

	var policies []access.Policy
	if key, err := iothub.ParseKey(who.Key); err == nil {
		policies = append(policies, access.Policy{Name: name, Keys: []iothub.Key{key}, Rights: who.Role.rights()})
	}
	if c := who.Code; c != nil && p.now().Before(c.Expires) {
		if key, err := iothub.ParseKey(c.Key); err == nil {
			policies = append(policies, access.Policy{Name: name, Keys: []iothub.Key{key}, Rights: access.Redeem})
		}
	}
	return policies
}

// Begin returns the context of a request that claims to be from the policy with the given
// name. If the policy is a person, the context ends when the access is revoked. Call Begin
// before the request's token is checked, and end after the request. With a nil People,
// Begin and Used do nothing.
func (p *People) Begin(ctx context.Context, name string) (_ context.Context, end func()) {
	if p == nil || name == "" {
		return ctx, func() {}
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.byName[strings.ToLower(name)]
	if who == nil {
		return ctx, func() {}
	}

	ctx, cancel := context.WithCancelCause(ctx)
	r := &request{cancel}
	who.running[r] = struct{}{}
	return ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(who.running, r)
		cancel(nil)
	}
}

// List returns all persons, sorted by name.
func (p *People) List() []Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []Person{}
	for _, name := range slices.Sorted(maps.Keys(p.byName)) {
		who := p.byName[name]
		entry := Person{Name: who.name, Role: who.Role, Active: who.Key != ""}
		if who.Code != nil {
			entry.Expires = who.Code.Expires
		}
		list = append(list, entry)
	}
	return list
}
