package actuator

import "time"

// A loose contact can change a thousand times a second. The lock still follows each
// change. Beyond this limit, however, the changes cause no events, because they would
// displace all other events.
const (
	chatterLimit  = 20 // permitted changes of one sensor in one window
	chatterWindow = 10 * time.Second
)

// contacts counts the changes of all sensors, to detect loose contacts.
type contacts [inputCount]contact

// contact counts the changes of one sensor in the current window of time.
type contact struct {
	windowEnd time.Duration
	changes   int
	chatters  bool
}

// note counts a change of a sensor. If the sensor has just begun to change too often,
// note returns an event that says so; otherwise it returns nil.
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

// calm returns an event for a sensor that has ceased to change too often, or nil. A
// sensor has ceased when it changed at most chatterLimit times in a whole window.
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
