package iothub

import "slices"

// MaxMessage is the largest body of a device-to-cloud message, in bytes.
const MaxMessage = 256 << 10

// Message is a device-to-cloud message. Empty system properties are not sent.
type Message struct {
	ID              string // lets receivers recognize a repeated message
	ContentType     string // such as application/json
	ContentEncoding string // such as utf-8
	Properties      Bag    // properties of the application
	Body            []byte
}

// Bag returns the system properties and the application's properties, in the order in
// which they appear in the topic.
func (m Message) Bag() Bag {
	var bag Bag
	for _, p := range []Property{{"$.mid", m.ID}, {"$.ct", m.ContentType}, {"$.ce", m.ContentEncoding}} {
		if p.Value != "" {
			bag = append(bag, p)
		}
	}

	return slices.Concat(bag, m.Properties)
}

// Topic returns the topic to which a device or one of its modules publishes the
// message. moduleID is empty for a device.
func (m Message) Topic(deviceID, moduleID string) string {
	if moduleID != "" {
		deviceID += "/modules/" + moduleID
	}

	return EventTopic(deviceID, m.Bag())
}
