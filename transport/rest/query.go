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

// pageSize is the number of rows that the client requests in one page. The hub may
// return fewer.
const pageSize = 1000

// queryPath is the path of queries, which read although their method is POST.
const queryPath = "/devices/query"

const (
	maxItemsHeader     = "X-Ms-Max-Item-Count"
	continuationHeader = "X-Ms-Continuation"
)

// Query runs a query and returns its rows. It reads the rows page by page. The sequence
// ends after the first error.
func (c *Client) Query(ctx context.Context, text string) iter.Seq2[json.RawMessage, error] {
	return pages[json.RawMessage](ctx, c, request{
		method: http.MethodPost,
		path:   queryPath,
		body: struct {
			Query string `json:"query"`
		}{text},
	})
}

// DeviceJobs returns the rows of a job, one for each device. It reads the rows page by
// page.
func (c *Client) DeviceJobs(ctx context.Context, jobID string) iter.Seq2[iothub.DeviceJob, error] {
	return func(yield func(iothub.DeviceJob, error) bool) {
		for row, err := range c.Query(ctx, "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = "+Quote(jobID)) {
			var d iothub.DeviceJob
			if err == nil {
				if err = json.Unmarshal(row, &d); err != nil {
					err = fmt.Errorf("hub at %s: invalid row of job %s: %w", c.address, jobID, err)
				}
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Quote returns text as a string literal of IoT Hub's query language. The language escapes
// characters with a backslash.
func Quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

const (
	// MaxQuery is IoT Hub's limit on the length of a query, in characters.
	MaxQuery = 8192
	// MaxCondition is the maximum length of a condition, in characters. It is lower than
	// MaxQuery because the hub puts SELECT, FROM and WHERE in front of the condition.
	MaxCondition = MaxQuery - 192
)

// SplitDevices divides device ids into parts, so that the condition that DevicesIn
// returns for a part has at most limit characters. A part has at least one id, even if
// its condition exceeds the limit.
func SplitDevices(ids []string, limit int) [][]string {
	emptyLength := len(DevicesIn(nil))
	first, length := 0, emptyLength

	var parts [][]string
	for i, id := range ids {
		added := len(Quote(id)) + len(",")
		if i > first && length+added > limit {
			parts = append(parts, ids[first:i:i])
			first, length = i, emptyLength
		}
		length += added
	}
	if first < len(ids) {
		parts = append(parts, ids[first:])
	}

	return parts
}

// DevicesIn returns a query condition that selects the devices with the given ids. IoT
// Hub limits the length of a condition: divide many ids with SplitDevices.
func DevicesIn(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = Quote(id)
	}
	return "deviceId IN [" + strings.Join(quoted, ",") + "]"
}

// pages sends a request whose answer comes in pages, and returns the rows of all pages.
// Each answer holds a continuation token for the next request. The last answer has no
// token.
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
				yield(none, fmt.Errorf("hub at %s: it returns the same page of results repeatedly", c.address))
				return
			}
			continuation = next
		}
	}
}

// component percent-encodes text like JavaScript's encodeURIComponent, with which the
// official SDK encodes the parts of a URL's path.
func component(text string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(text))
}
