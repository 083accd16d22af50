package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// pageSize is how many rows are asked for at once. The hub may give fewer.
const pageSize = 1000

const (
	maxItemsHeader     = "X-Ms-Max-Item-Count"
	continuationHeader = "X-Ms-Continuation"
)

// Query runs a query and pages through its rows. The sequence ends after the
// first error.
func (c *Client) Query(ctx context.Context, text string) iter.Seq2[json.RawMessage, error] {
	return pages[json.RawMessage](ctx, c, request{
		method: http.MethodPost,
		path:   "/devices/query",
		body: struct {
			Query string `json:"query"`
		}{text},
	})
}

// DeviceJobs pages through a job's rows, one a device.
func (c *Client) DeviceJobs(ctx context.Context, jobID string) iter.Seq2[iothub.DeviceJob, error] {
	return func(yield func(iothub.DeviceJob, error) bool) {
		for row, err := range c.Query(ctx, "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = "+Quote(jobID)) {
			var d iothub.DeviceJob
			if err == nil {
				if err = json.Unmarshal(row, &d); err != nil {
					err = fmt.Errorf("hub at %s: a row of job %s is not as documented: %w", c.address, jobID, err)
				}
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Quote returns text as a string literal of IoT Hub's query language, which
// escapes with a backslash.
func Quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// DevicesIn returns the condition that selects the devices of these ids. IoT Hub
// takes no query of more than 8192 characters.
func DevicesIn(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = Quote(id)
	}
	return "deviceId IN [" + strings.Join(quoted, ",") + "]"
}

// pages repeats r with the continuation that each answer carries, until one
// carries none.
func pages[T any](ctx context.Context, c *Client, r request) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		continuation := ""
		for {
			page := r
			page.header = http.Header{maxItemsHeader: {strconv.Itoa(pageSize)}}
			if continuation != "" {
				page.header.Set(continuationHeader, continuation)
			}
			var rows []T
			page.out = &rows
			header, err := c.repeat(ctx, page)
			if err != nil {
				yield(none, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			next := header.Get(continuationHeader)
			if next == "" {
				return
			}
			if next == continuation {
				yield(none, fmt.Errorf("hub at %s: it gives the same page again and again", c.address))
				return
			}
			continuation = next
		}
	}
}

// component encodes text as JavaScript's encodeURIComponent does, which is what
// the official SDK puts into paths.
func component(text string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(text))
}
