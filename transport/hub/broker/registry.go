package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// registry knows the links, which of them speaks for a device, and the sessions.
// Its methods do not block and call nothing outside.
type registry struct {
	mu       sync.Mutex
	closed   bool
	all      map[*link]struct{}         // every connection, logged in or not
	logins   map[*link]struct{}         // logins under way
	links    map[string]*link           // the link that holds a device's id
	ready    map[string]subscriptions   // what can be sent to a device now
	sessions map[string]subscriptions   // of clients that came with CleanSession=0
	waiting  map[string][]chan struct{} // closed when the device can take methods
}

func newRegistry() *registry {
	return &registry{
		all:      make(map[*link]struct{}),
		logins:   make(map[*link]struct{}),
		links:    make(map[string]*link),
		ready:    make(map[string]subscriptions),
		sessions: make(map[string]subscriptions),
		waiting:  make(map[string][]chan struct{}),
	}
}

// add registers a new connection; false if the broker is closed.
func (r *registry) add(l *link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.all[l] = struct{}{}
	return true
}

// remove takes the link out. Its device's id is free from then on.
func (r *registry) remove(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, l)
	delete(r.logins, l)
	if r.links[l.deviceID] == l {
		delete(r.links, l.deviceID)
		delete(r.ready, l.deviceID)
	}
}

// login registers a login that is under way, so that disconnecting the device
// ends it as well.
func (r *registry) login(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logins[l] = struct{}{}
}

// claim makes l the device's link. It closes the link that was, and waits until
// that one is gone. It is false if l was closed meanwhile.
func (r *registry) claim(l *link) bool {
	for {
		r.mu.Lock()
		delete(r.logins, l)
		if l.closed() || r.closed {
			r.mu.Unlock()
			return false
		}
		old := r.links[l.deviceID]
		if old == nil {
			r.links[l.deviceID] = l
			r.mu.Unlock()
			return true
		}
		r.logins[l] = struct{}{}
		r.mu.Unlock()
		old.close("the device connected anew")
		<-old.ended
	}
}

// of returns the device's link if it is subscribed to c.
func (r *registry) of(deviceID string, c channel) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready[deviceID].has(c) {
		return nil
	}
	return r.links[deviceID]
}

// setReady says what can be sent to the link's device from now on.
func (r *registry) setReady(l *link, s subscriptions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready[l.deviceID] = s
	if s.has(methods) {
		for _, ch := range r.waiting[l.deviceID] {
			close(ch)
		}
		delete(r.waiting, l.deviceID)
	}
}

// wait returns when the device can take methods, or with ctx's end.
func (r *registry) wait(ctx context.Context, deviceID string) error {
	r.mu.Lock()
	if r.ready[deviceID].has(methods) {
		r.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	r.waiting[deviceID] = append(r.waiting[deviceID], ch)
	r.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	left := slices.DeleteFunc(r.waiting[deviceID], func(c chan struct{}) bool { return c == ch })
	if len(left) == 0 {
		delete(r.waiting, deviceID)
	} else {
		r.waiting[deviceID] = left
	}
	r.mu.Unlock()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return notOnline(deviceID)
	}
	return ctx.Err()
}

// linksOf returns the device's link and its logins under way.
func (r *registry) linksOf(deviceID string) []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*link
	if l := r.links[deviceID]; l != nil {
		found = append(found, l)
	}
	for l := range r.logins {
		if l.deviceID == deviceID {
			found = append(found, l)
		}
	}
	return found
}

// shut refuses everything from now on and returns the links that are there.
func (r *registry) shut() []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return slices.Collect(maps.Keys(r.all))
}

func (r *registry) session(clientID string) (subscriptions, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sessions[clientID]
	return s, ok
}

func (r *registry) setSession(clientID string, s subscriptions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[clientID] = s
}

func (r *registry) dropSession(clientID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, clientID)
}

func notOnline(deviceID string) *iothub.Error {
	return iothub.Errorf(iothub.CodeDeviceNotOnline, "the device %s is not connected, or does not listen for direct methods", deviceID)
}
