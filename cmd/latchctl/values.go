package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// seconds is a flag for a time span of whole seconds: "15s", "1m30s", or "15".
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

func (s *seconds) Type() string { return "duration" }

func (s *seconds) Set(text string) error {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= math.MaxInt32 {
		*s = seconds(n)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Second != 0 || d/time.Second > math.MaxInt32 {
		return errors.New("want a time of whole seconds, such as 15s, 2m or 1h")
	}
	*s = seconds(d / time.Second)
	return nil
}

// maxDocument bounds a JSON document that is read from a file.
const maxDocument = 1 << 20

// readJSON reads a flag's JSON text, or the file that it names as @FILE.
func readJSON(flag, text string) (json.RawMessage, error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		if info.Size() > maxDocument {
			return nil, fmt.Errorf("%s: %s is larger than %d bytes", flag, path, maxDocument)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		text = string(content)
	}
	var value json.RawMessage
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
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

// readPatch makes a twin patch of the flags --desired and --tags; an empty text
// is a flag that was not given.
func readPatch(cmd *cobra.Command, desired, tags string) (iothub.TwinPatch, error) {
	var patch iothub.TwinPatch
	if desired == "" && tags == "" {
		return patch, usagef(cmd, "nothing to change: give --desired JSON, --tags JSON, or both")
	}
	object := func(flag, text string) (iothub.Object, error) {
		if text == "" {
			return nil, nil
		}
		value, err := readJSON(flag, text)
		if err != nil {
			return nil, usagef(cmd, "%w", err)
		}
		o, err := iothub.ParseObject(value)
		if err != nil {
			return nil, usagef(cmd, "%s: want a JSON object, such as {\"floor\":3}", flag)
		}
		for name := range o {
			if strings.HasPrefix(name, "$") {
				return nil, usagef(cmd, "%s: %s belongs to the hub; leave it out", flag, name)
			}
		}
		return o, nil
	}
	properties, err := object("--desired", desired)
	if err != nil {
		return patch, err
	}
	if properties != nil {
		patch.Properties = &iothub.TwinPatchProperties{Desired: properties}
	}
	patch.Tags, err = object("--tags", tags)
	return patch, err
}

// deviceID checks an argument that names a device.
func deviceID(cmd *cobra.Command, id string) error {
	if err := iothub.CheckDeviceID(id); err != nil {
		return usagef(cmd, "%q: %w", id, err)
	}
	return nil
}

// jobID checks an argument that names a job.
func jobID(cmd *cobra.Command, id string) error {
	if err := iothub.CheckJobID(id); err != nil {
		return usagef(cmd, "%q: %w", id, err)
	}
	return nil
}
