package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// linkTable tracks all connections, the current connection of each device, and the
// persistent sessions. Its methods do not call other parts of the hub. Only claim and
// wait can block.
type linkTable struct {
	mu       sync.Mutex
	closed   bool
	all      map[*link]struct{}         // every connection, logged in or not
	logins   map[*link]struct{}         // connections whose device is logging in
	current  map[string]*link           // the logged-in connection of each device
	ready    map[string]subscriptions   // subscriptions of the connected devices
	sessions map[string]subscriptions   // stored subscriptions of clients that connected with CleanSession=0
	waiting  map[string][]chan struct{} // closed when the device subscribes to direct methods
}

func newLinkTable() *linkTable {
	return &linkTable{
		all:      make(map[*link]struct{}),
		logins:   make(map[*link]struct{}),
		current:  make(map[string]*link),
		ready:    make(map[string]subscriptions),
		sessions: make(map[string]subscriptions),
		waiting:  make(map[string][]chan struct{}),
	}
}

// add adds a new connection to the table. It returns false if the broker is closed.
func (t *linkTable) add(l *link) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.all[l] = struct{}{}
	return true
}

// remove removes a connection from the table, so that a new connection of the same
// device can become the current one.
func (t *linkTable) remove(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, l)
	delete(t.logins, l)
	if t.current[l.deviceID] == l {
		delete(t.current, l.deviceID)
		delete(t.ready, l.deviceID)
	}
}

// addLogin records a connection on which a device is logging in. Disconnect closes such
// connections too.
func (t *linkTable) addLogin(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logins[l] = struct{}{}
}

// claim registers a connection as its device's current one. It first closes the
// previous connection and waits for its end. It returns false if the new connection was
// closed during that wait.
func (t *linkTable) claim(l *link) bool {
	for {
		t.mu.Lock()
		delete(t.logins, l)
		if l.closed() || t.closed {
			t.mu.Unlock()
			return false
		}

		old := t.current[l.deviceID]
		if old == nil {
			t.current[l.deviceID] = l
			t.mu.Unlock()
			return true
		}

		t.logins[l] = struct{}{}
		t.mu.Unlock()
		old.close("the device opened a new connection")
		<-old.ended
	}
}

// subscribedTo returns the device's connection, or nil if the device is not subscribed
// to the topic group.
func (t *linkTable) subscribedTo(g topicGroup, deviceID string) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready[deviceID].has(g) {
		return nil
	}
	return t.current[deviceID]
}

// setReady records to which topic groups a device is subscribed. The hub can then send
// messages of these groups to the device.
func (t *linkTable) setReady(l *link, s subscriptions) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready[l.deviceID] = s
	if s.has(methodTopics) {
		for _, ch := range t.waiting[l.deviceID] {
			close(ch)
		}
		delete(t.waiting, l.deviceID)
	}
}

// wait waits until the device is subscribed to direct methods or ctx ends.
func (t *linkTable) wait(ctx context.Context, deviceID string) error {
	t.mu.Lock()
	if t.ready[deviceID].has(methodTopics) {
		t.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	t.waiting[deviceID] = append(t.waiting[deviceID], ch)
	t.mu.Unlock()

	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}

	t.mu.Lock()
	others := slices.DeleteFunc(t.waiting[deviceID], func(c chan struct{}) bool { return c == ch })
	if len(others) == 0 {
		delete(t.waiting, deviceID)
	} else {
		t.waiting[deviceID] = others
	}
	t.mu.Unlock()

	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return notOnline(deviceID)
	}
	return ctx.Err()
}

// ofDevice returns the current connection of the device, and all connections on which
// the device is logging in.
func (t *linkTable) ofDevice(deviceID string) []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	var links []*link
	if l := t.current[deviceID]; l != nil {
		links = append(links, l)
	}
	for l := range t.logins {
		if l.deviceID == deviceID {
			links = append(links, l)
		}
	}
	return links
}

// shut closes the table and returns all connections. From then on, add and claim return
// false.
func (t *linkTable) shut() []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return slices.Collect(maps.Keys(t.all))
}

func (t *linkTable) session(clientID string) (subscriptions, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.sessions[clientID]
	return s, ok
}

func (t *linkTable) setSession(clientID string, s subscriptions) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions[clientID] = s
}

func (t *linkTable) dropSession(clientID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, clientID)
}

func notOnline(deviceID string) *iothub.Error {
	return iothub.Errorf(iothub.CodeDeviceNotOnline, "device %s is not connected or not subscribed to direct methods", deviceID)
}
