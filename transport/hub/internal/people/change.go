package people

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
)

// The times for which a code is valid.
const (
	DefaultValidity = 24 * time.Hour
	MaxValidity     = 7 * 24 * time.Hour
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// InviteRequest says how to invite a person.
type InviteRequest struct {
	Role         Role  `json:"role"`
	ValidSeconds int64 `json:"validSeconds,omitempty"` // 0 means DefaultValidity
	Replace      bool  `json:"replace,omitempty"`      // revoke the access that the person has
}

// Invite gives a person a one-time key, and returns the content of the code for it. It fails with DeviceAlreadyExists if the person has access and the request does not
// permit to revoke it.
func (p *People) Invite(ctx context.Context, name string, r InviteRequest) (invitation.Person, error) {
	validity := cmp.Or(time.Duration(r.ValidSeconds)*time.Second, DefaultValidity)
	switch {
	case !validName.MatchString(name):
		return invitation.Person{}, invalid("the name of a person is %.70q, want 1 to 64 ASCII letters, digits and -._ beginning with a letter or a digit", name)
	case r.Role.rights() == 0:
		return invitation.Person{}, invalid("role is %.70q, want operator or viewer", r.Role)
	case r.ValidSeconds < 0 || r.ValidSeconds > int64(MaxValidity/time.Second):
		return invitation.Person{}, invalid("validSeconds is %d, want 1 to %d", r.ValidSeconds, int64(MaxValidity/time.Second))
	}

	if slices.ContainsFunc(p.reserved, func(other string) bool { return strings.EqualFold(other, name) }) {
		return invitation.Person{}, invalid("%s is the name of a policy of the hub; choose another name", name)
	}

	p.writing.Lock()
	defer p.writing.Unlock()
	present, count := p.get(name)
	switch {
	case present != nil && present.Key != "" && !r.Replace:
		return invitation.Person{}, iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the person %s has access already: set replace to revoke it", present.name)
	case present == nil && count >= MaxPeople:
		return invitation.Person{}, iothub.Errorf(iothub.CodeThrottling, "the hub has reached its limit of %d persons: revoke one first", MaxPeople)
	case present != nil:
		name = present.name
	}

	key, expires := iothub.NewKey(), p.now().UTC().Add(validity).Truncate(time.Second)
	err := p.put(ctx, name, record{Role: r.Role, Code: &code{Key: key.Base64(), Expires: expires}}, errReplaced)
	return invitation.Person{Hub: p.hub(), Policy: name, Key: key, CA: p.ca, Expires: expires}, err
}

var (
	// errRevoked and errReplaced are the causes with which a person's requests end.
	errRevoked  = iothub.Errorf(iothub.CodeUnauthorized, "the access has been revoked")
	errReplaced = iothub.Errorf(iothub.CodeUnauthorized, "the access has been replaced by a new invitation")
)

// Redeem gives a person, whose request was signed with the key of a code, a new key.
func (p *People) Redeem(ctx context.Context, name string) (iothub.Key, error) {
	p.writing.Lock()
	defer p.writing.Unlock()
	who, _ := p.get(name)
	if who == nil || who.Code == nil || ctx.Err() != nil {
		return nil, iothub.Errorf(iothub.CodeUnauthorized, "the invitation of %s has ended", name)
	}

	key := iothub.NewKey()
	next := who.record
	next.Key = key.Base64()
	return key, p.put(ctx, who.name, next, errReplaced)
}

// Used ends the code of a person whose request was signed with the person's own key. ctx
// is the context from Begin.
func (p *People) Used(ctx context.Context, name string) error {
	if p == nil {
		return nil
	}
	if who, _ := p.get(name); who == nil || who.Code == nil {
		return nil
	}

	p.writing.Lock()
	defer p.writing.Unlock()
	if err := context.Cause(ctx); err != nil { // another use of the code has replaced the key
		return err
	}
	who, _ := p.get(name)
	if who == nil || who.Code == nil {
		return nil
	}
	next := who.record
	next.Code = nil
	return p.put(ctx, who.name, next, nil)
}

// Revoke ends a person's access. It fails with NotFound if the person has none. After
// another error the access has ended, but would return with a restart of the hub.
func (p *People) Revoke(ctx context.Context, name string) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.forget(name) // also if the disk is full
	return p.store.DeletePerson(ctx, name)
}

// forget ends a person's access and running requests in memory.
func (p *People) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if who := p.byName[strings.ToLower(name)]; who != nil {
		delete(p.byName, strings.ToLower(name))
		who.end(errRevoked)
	}
}

// get returns a copy of a person's access, or nil, and the number of persons.
func (p *People) get(name string) (who *person, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if who := p.byName[strings.ToLower(name)]; who != nil {
		return &person{name: who.name, record: who.record}, len(p.byName)
	}
	return nil, len(p.byName)
}

// put stores a person's access and then uses it. If cause is not nil, it ends the running
// requests of the person with this cause. The caller holds p.writing.
func (p *People) put(ctx context.Context, name string, r record, cause error) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := p.store.PutPerson(ctx, name, body); err != nil {
		return err
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.byName[strings.ToLower(name)]
	if who == nil {
		who = &person{name: name, running: make(map[*request]struct{})}
		p.byName[strings.ToLower(name)] = who
	}
	who.record = r
	if cause != nil {
		who.end(cause)
	}
	return nil
}

// end ends the person's running requests. The caller holds People.mu.
func (who *person) end(cause error) {
	for r := range who.running {
		r.cancel(cause)
	}
}

func invalid(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeArgumentInvalid, format, args...)
}
