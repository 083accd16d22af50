package iothub

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotInTopic means that IoT Hub's registry takes an id, but the topics of MQTT cannot
// contain it.
var ErrNotInTopic = errors.New("which a topic of MQTT cannot carry")

// CheckDeviceID returns an error if id cannot be the id of a device or module that uses
// MQTT. IoT Hub allows 1 to 128 ASCII letters, digits and some punctuation. Its registry
// also takes # and +, but not for devices that use MQTT: these characters are the
// wildcards of topic filters, and an id is part of its device's topics (IoT Hub
// documentation, "Communicate with an IoT hub using the MQTT protocol"). The error then
// wraps ErrNotInTopic.
func CheckDeviceID(id string) error {
	if id == "" {
		return errors.New("the device id is empty")
	}
	if len(id) > 128 {
		return fmt.Errorf("the device id has %d characters; at most 128 are allowed", len(id))
	}

	for _, r := range id {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		switch {
		case r == '#' || r == '+':
			return fmt.Errorf("the device id contains %q, %w; choose another id", r, ErrNotInTopic)
		case !alnum && !strings.ContainsRune("-.%_*?!(),:;=@$'", r):
			return fmt.Errorf("the device id contains %q; allowed are ASCII letters, digits, the semicolon and -.%%_*?!(),:=@$'", r)
		}
	}

	return nil
}
