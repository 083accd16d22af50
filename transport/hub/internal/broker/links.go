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
	all      map[*link]struct{}       // every connection, logged in or not
	logins   map[*link]struct{}       // connections whose device is logging in
	current  map[string]*link         // the logged-in connection of each device
	ready    map[string]subscriptions // subscriptions of the connected devices
	sessions map[string]subscriptions // stored subscriptions of clients that connected with CleanSession=0
	waiting  map[string][]*waiter     // notified when the device subscribes to direct methods
}

func newLinkTable() *linkTable {
	return &linkTable{
		all:      make(map[*link]struct{}),
		logins:   make(map[*link]struct{}),
		current:  make(map[string]*link),
		ready:    make(map[string]subscriptions),
		sessions: make(map[string]subscriptions),
		waiting:  make(map[string][]*waiter),
	}
}

// waiter waits until a device is subscribed to direct methods. Then ready is called once.
type waiter struct{ ready func() }

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
	t.ready[l.deviceID] = s
	var waiters []*waiter
	if s.has(methodTopics) {
		waiters = t.waiting[l.deviceID]
		delete(t.waiting, l.deviceID)
	}
	t.mu.Unlock()

	for _, w := range waiters {
		w.ready()
	}
}

// onReady calls ready once, as soon as the device is subscribed to direct methods. It
// calls ready before it returns if the device is already subscribed. The returned
// function stops the notification.
func (t *linkTable) onReady(deviceID string, ready func()) (cancel func()) {
	t.mu.Lock()
	if t.ready[deviceID].has(methodTopics) {
		t.mu.Unlock()
		ready()
		return func() {}
	}
	w := &waiter{ready}
	t.waiting[deviceID] = append(t.waiting[deviceID], w)
	t.mu.Unlock()

	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		others := slices.DeleteFunc(t.waiting[deviceID], func(other *waiter) bool { return other == w })
		if len(others) == 0 {
			delete(t.waiting, deviceID)
		} else {
			t.waiting[deviceID] = others
		}
	}
}

// wait waits until the device is subscribed to direct methods or ctx ends.
func (t *linkTable) wait(ctx context.Context, deviceID string) error {
	ready := make(chan struct{})
	cancel := t.onReady(deviceID, func() { close(ready) })
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}

	cancel()
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
