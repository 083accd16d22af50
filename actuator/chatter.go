package actuator

import "time"

// A loose contact can change a thousand times a second. Its state still counts, because
// the lock must not act on an old one, but its events would displace all others.
const (
	chatterLimit  = 20 // changes of one input in one window
	chatterWindow = 10 * time.Second
)

// contacts counts how often the inputs change.
type contacts [inputCount]contact

// contact counts the changes of one input in the present window.
type contact struct {
	windowEnd time.Duration
	changes   int
	chatters  bool
}

// note counts a change at a time and returns the event of an input that has begun to
// chatter, or nil.
func (c *contacts) note(i input, now time.Duration) event {
	contact := &c[i]
	if !contact.chatters && now >= contact.windowEnd {
		contact.windowEnd, contact.changes = now+chatterWindow, 0
	}

	contact.changes++
	if contact.chatters || contact.changes <= chatterLimit {
		return nil
	}
	contact.chatters = true
	return chatter{i, true}
}

// calm returns the event of an input that has ceased to chatter, or nil: it changed at
// most chatterLimit times in a whole window.
func (c *contacts) calm(now time.Duration) event {
	for i := range c {
		contact := &c[i]
		if !contact.chatters || now < contact.windowEnd {
			continue
		}

		quiet := contact.changes <= chatterLimit
		contact.windowEnd, contact.changes = now+chatterWindow, 0
		if quiet {
			contact.chatters = false
			return chatter{input(i), false}
		}
	}
	return nil
}

// next returns when calm must be called, or never.
func (c *contacts) next() time.Duration {
	next := never
	for _, contact := range c {
		if contact.chatters {
			next = min(next, contact.windowEnd)
		}
	}
	return next
}
