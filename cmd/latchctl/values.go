package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/textfile"
)

// seconds is the value of a flag for a duration in whole seconds: "15s", "1m30s", or
// "15".
type seconds int

func (s *seconds) String() string {
	switch n := int(*s); {
	case n == 0:
		return "0"
	case n%3600 == 0:
		return strconv.Itoa(n/3600) + "h"
	case n%60 == 0:
		return strconv.Itoa(n/60) + "m"
	default:
		return strconv.Itoa(n) + "s"
	}
}

func (s seconds) duration() time.Duration { return time.Duration(s) * time.Second }

// Type returns the word that the help shows for the flag's value.
func (s *seconds) Type() string { return "duration" }

func (s *seconds) Set(text string) error {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= math.MaxInt32 {
		*s = seconds(n)
		return nil
	}

	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Second != 0 || d/time.Second > math.MaxInt32 {
		return errors.New("want a duration in whole seconds, such as 15s, 2m or 1h")
	}

	*s = seconds(d / time.Second)
	return nil
}

// maxDocument is the maximum size of a JSON file that a flag names, in bytes.
const maxDocument = 1 << 20

// readJSON returns the JSON that a flag's value states, without white space. If the
// value is @FILE, it reads the JSON from this file.
func readJSON(flag, text string) (json.RawMessage, error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		content, err := textfile.Read(path, maxDocument)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		text = content
	}

	var value json.RawMessage
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("%s is not JSON: character %d: %w", flag, syntax.Offset, err)
		}
		return nil, fmt.Errorf("%s is not JSON: %w", flag, err)
	}

	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		return nil, fmt.Errorf("%s is not JSON: %w", flag, err)
	}

	return compact.Bytes(), nil
}

// readPatch returns the twin patch that the values of --desired and --tags describe. An
// empty value means that the flag was not given.
func readPatch(desired, tags string) (iothub.TwinPatch, error) {
	var patch iothub.TwinPatch
	if desired == "" && tags == "" {
		return patch, usagef("nothing to change: give --desired JSON, --tags JSON, or both")
	}

	properties, err := readObject("--desired", desired)
	if err != nil {
		return patch, err
	}
	if properties != nil {
		patch.Properties = &iothub.TwinPatchProperties{Desired: properties}
	}

	patch.Tags, err = readObject("--tags", tags)
	return patch, err
}

// readObject parses the value of --desired or --tags, which must be a JSON object. It
// returns nil if the value is empty.
func readObject(flag, text string) (iothub.Object, error) {
	if text == "" {
		return nil, nil
	}

	value, err := readJSON(flag, text)
	if err != nil {
		return nil, usagef("%w", err)
	}
	object, err := iothub.ParseObject(value)
	if err != nil {
		return nil, usagef("%s: want a JSON object, such as {\"floor\":3}", flag)
	}

	for name := range object {
		if strings.HasPrefix(name, "$") {
			return nil, usagef("%s: only the hub sets %s; leave it out", flag, name)
		}
	}

	return object, nil
}

// checkDeviceID returns a usage error if an argument is not a valid device id.
func checkDeviceID(id string) error {
	if err := iothub.CheckDeviceID(id); err != nil {
		return usagef("%q: %w", id, err)
	}

	return nil
}

// checkRegisteredID is like checkDeviceID, but takes every id that IoT Hub's registry
// takes: a device that cannot use MQTT can be shown and deleted.
func checkRegisteredID(id string) error {
	err := checkDeviceID(id)
	if errors.Is(err, iothub.ErrNotInTopic) {
		return nil
	}
	return err
}

// checkJobID returns a usage error if an argument is not a valid job id.
func checkJobID(id string) error {
	if err := iothub.CheckJobID(id); err != nil {
		return usagef("%q: %w", id, err)
	}

	return nil
}
