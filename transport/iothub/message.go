package iothub

import "slices"

// MaxMessage is how many bytes the body of a device-to-cloud message may have.
const MaxMessage = 256 << 10

// Message is a device-to-cloud message. The empty system properties are not sent.
type Message struct {
	ID              string // for who receives it to find a repetition
	ContentType     string // such as application/json
	ContentEncoding string // such as utf-8
	Properties      Bag    // the application's own
	Body            []byte
}

// Bag returns the message's properties as they stand at the end of its topic:
// the system's, then the application's.
func (m Message) Bag() Bag {
	var bag Bag
	for _, p := range []Property{{"$.mid", m.ID}, {"$.ct", m.ContentType}, {"$.ce", m.ContentEncoding}} {
		if p.Value != "" {
			bag = append(bag, p)
		}
	}
	return slices.Concat(bag, m.Properties)
}

// Topic returns where a device, or one of its modules, sends the message.
func (m Message) Topic(deviceID, moduleID string) string {
	if moduleID != "" {
		deviceID += "/modules/" + moduleID
	}
	return EventTopic(deviceID, m.Bag())
}
