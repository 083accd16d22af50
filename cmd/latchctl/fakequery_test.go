package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

var (
	inList     = regexp.MustCompile(`^deviceId IN \[(.*)\]$`)
	inListAnd  = regexp.MustCompile(`^(deviceId IN \[.*\]) AND \(\n(.*)\n\)$`)
	lockedTwin = "properties.reported.lock.position = 'locked'"
)

// selectDevices returns the devices that a condition selects, sorted by id. It supports
// only the conditions that the scripts use and rejects all other conditions. Like IoT
// Hub, it rejects a condition that is too long.
func (h *fakeHub) selectDevices(condition string) ([]*fakeDevice, *iothub.Error) {
	if n := utf8.RuneCountInString(condition); n > rest.MaxQuery {
		return nil, &iothub.Error{Status: 412, Message: fmt.Sprintf("the query has %d characters", n)}
	}

	var want func(*fakeDevice) bool
	switch m := inList.FindStringSubmatch(condition); {
	case condition == "*" || condition == "":
		want = func(*fakeDevice) bool { return true }
	case m != nil:
		want = func(d *fakeDevice) bool { return strings.Contains(","+m[1]+",", ",'"+d.ID+"',") }
	case inListAnd.MatchString(condition):
		m := inListAnd.FindStringSubmatch(condition)
		if m[2] != lockedTwin {
			return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "line 1:%d: want a value", len(m[2])+1)
		}
		devices, e := h.selectDevices(m[1])
		return slices.DeleteFunc(devices, func(d *fakeDevice) bool { return d.Does == "drift" }), e
	case strings.HasPrefix(condition, "STARTSWITH(deviceId, '"):
		begin := strings.TrimSuffix(strings.TrimPrefix(condition, "STARTSWITH(deviceId, '"), "')")
		want = func(d *fakeDevice) bool { return strings.HasPrefix(d.ID, begin) }
	case condition == "tags.building = '43' OR deviceId = 'c'":
		want = func(d *fakeDevice) bool { return d.Tags["building"] == "43" || d.ID == "c" }
	case condition == "tags.building = '43'":
		want = func(d *fakeDevice) bool { return d.Tags["building"] == "43" }
	case condition == "tags.building = 'none'":
		want = func(d *fakeDevice) bool { return false }
	default:
		return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "line 1:%d: want a value", len(condition)+1)
	}

	var devices []*fakeDevice
	for _, d := range h.devices {
		if want(d) {
			devices = append(devices, d)
		}
	}

	sort.Slice(devices, func(i, j int) bool { return devices[i].ID < devices[j].ID })
	return devices, nil
}

var wholeQuery = regexp.MustCompile(`(?s)^SELECT (\*|deviceId, connectionState|deviceId, connectionState, modelId, properties\.desired\.[^;]*|deviceId, status, connectionState, lastActivityTime, [^;]*) FROM (devices|devices\.jobs)(?: WHERE\s(.*))?$`)

// query answers a query with pages of two rows each.
func (h *fakeHub) query(w http.ResponseWriter, r *http.Request) {
	var q struct{ Query string }
	if !readBody(w, r, &q) {
		return
	}

	if n := utf8.RuneCountInString(q.Query); n > rest.MaxQuery {
		answerError(w, &iothub.Error{Status: 412, Message: fmt.Sprintf("the query has %d characters", n)})
		return
	}
	m := wholeQuery.FindStringSubmatch(q.Query)
	if m == nil {
		answerError(w, iothub.Errorf(iothub.CodeArgumentInvalid, "line 1:1: want SELECT"))
		return
	}

	var rows []any
	if m[2] == "devices.jobs" {
		for _, row := range h.rowsOf(m[3]) {
			rows = append(rows, row)
		}
	} else {
		devices, e := h.selectDevices(m[3])
		if e != nil {
			e.Message = strings.Replace(e.Message, "line 1:", "line 2:", 1) // The condition is on the second line of the query.
			answerError(w, e)
			return
		}
		for _, d := range devices {
			names := ackColumn.FindAllStringSubmatch(m[1], -1)
			switch {
			case m[1] == "*":
				rows = append(rows, d.twin())
			case len(names) > 0:
				rows = append(rows, d.ackRow(names))
			case m[1] == door.Fields:
				rows = append(rows, iothub.Object{"deviceId": d.ID, "connectionState": d.identity.ConnectionState, "status": d.identity.Status}.Merge(d.Door))
			default:
				rows = append(rows, map[string]string{"deviceId": d.ID, "connectionState": string(d.identity.ConnectionState)})
			}
		}
	}

	page(w, r, rows)
}

// ackColumn matches a column with the acknowledgement of a desired property.
var ackColumn = regexp.MustCompile(`properties\.reported\.(\w+) AS (\w+)Ack`)

// ackRow returns a row with the states of desired properties. A connected device has
// acknowledged them, unless its latchd is too old or it has not seen the change.
func (d *fakeDevice) ackRow(names [][]string) iothub.Object {
	row := iothub.Object{"deviceId": d.ID, "connectionState": d.identity.ConnectionState, "modelId": "dtmi:latchd:DoorLock;2"}
	for _, match := range names {
		name := match[1]
		value := d.desired[name]
		row[name+"Desired"], row[name+"Version"] = value, d.version

		switch d.Does {
		case "open":
			row[name+"Ack"] = iothub.Object{"value": value, "ac": 202, "av": d.version, "ad": "the door is open"}
		case "trap":
			row[name+"Ack"] = iothub.Object{"value": false, "ac": 403, "av": d.version, "ad": "people could be trapped"}
		case "stale", "offline":
			row[name+"Ack"] = iothub.Object{"value": value, "ac": 200, "av": d.version - 1}
		case "odd":
			row[name+"Ack"] = "yes"
		case "old", "":
		default:
			row[name+"Ack"] = iothub.Object{"value": value, "ac": 200, "av": d.version}
		}
	}

	return row
}

// page answers a request with the rows that belong to its continuation token.
func page(w http.ResponseWriter, r *http.Request, rows []any) {
	const size = 2
	from := 0
	fmt.Sscan(r.Header.Get("x-ms-continuation"), &from)
	to := min(from+size, len(rows))
	if to < len(rows) {
		w.Header().Set("x-ms-continuation", fmt.Sprint(to))
	}
	answer(w, append([]any{}, rows[from:to]...))
}
