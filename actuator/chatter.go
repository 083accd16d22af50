package actuator

import "time"

// A loose contact can change a thousand times a second. The lock still follows each
// change, but the changes cause no events, because they would displace all other events.
const (
	chatterLimit  = 20 // permitted changes of one sensor in one window
	chatterWindow = 10 * time.Second
)

// contacts counts the changes of all sensors.
type contacts [inputCount]contact

// contact counts the changes of one sensor in the present window.
type contact struct {
	windowEnd time.Duration
	changes   int
	chatters  bool
}

// note counts a change. It returns the event that the sensor has begun to change too
// often, or nil.
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

// calm returns the event that a sensor has ceased to change too often, or nil. That is so
// after a whole window with at most chatterLimit changes.
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

// next returns the time at which calm must be called, or never.
func (c *contacts) next() time.Duration {
	next := never
	for _, contact := range c {
		if contact.chatters {
			next = min(next, contact.windowEnd)
		}
	}
	return next
}
