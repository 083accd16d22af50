package iothub

import "slices"

// MaxMessage is the largest body of a device-to-cloud message, in bytes.
const MaxMessage = 256 << 10

// Message is a device-to-cloud message. Empty system properties are not sent.
type Message struct {
	ID              string // lets receivers recognize a message that arrives twice
	ContentType     string // MIME type, such as application/json
	ContentEncoding string // character set, such as utf-8
	Properties      Bag    // the application's own properties
	Body            []byte
}

// Bag returns the message's system properties, followed by the application's
// properties.
func (m Message) Bag() Bag {
	var bag Bag
	for _, p := range []Property{{"$.mid", m.ID}, {"$.ct", m.ContentType}, {"$.ce", m.ContentEncoding}} {
		if p.Value != "" {
			bag = append(bag, p)
		}
	}

	return slices.Concat(bag, m.Properties)
}

// Topic returns the MQTT topic of the message. A device or one of its modules publishes
// the message to this topic. moduleID is empty for a device.
func (m Message) Topic(deviceID, moduleID string) string {
	if moduleID != "" {
		deviceID += "/modules/" + moduleID
	}

	return EventTopic(deviceID, m.Bag())
}
