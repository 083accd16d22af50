package api

import (
	"bufio"
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// defaultPage is the number of rows in a page if the client requests no number. maxPage
// is the largest number of rows in a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// query runs a query FROM devices or FROM devices.jobs, and answers with one page of the
// query's rows.
func (a *api) query(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Query string `json:"query"`
	}
	if err := read(w, r, &request); err != nil {
		return err
	}
	if request.Query == "" {
		return invalid(`query is missing, want {"query": "SELECT * FROM devices"}`)
	}

	q, err := query.Parse(request.Query)
	if err != nil {
		return invalid("query, %v", err)
	}
	limit, err := pageSize(r, defaultPage, maxPage)
	if err != nil {
		return err
	}

	itemType, run := "Twin", a.Store.QueryTwins
	if q.Collection == query.DeviceJobs {
		itemType, run = "DeviceJob", a.Store.QueryDeviceJobs
	}
	if !q.Star() {
		itemType = "Raw"
	}

	rows, next, err := run(r.Context(), q, limit, continuation(r))
	if err != nil {
		return err
	}
	setPageHeaders(w, itemType, next)
	a.answerRows(w, rows)
	return nil
}

// setPageHeaders sets the headers that describe one page of a list: the type of its
// items, and the continuation token for the next page. On the last page the token is
// empty.
func setPageHeaders(w http.ResponseWriter, itemType, next string) {
	w.Header().Set("x-ms-item-type", itemType)
	if next != "" {
		w.Header().Set("x-ms-continuation", next)
	}
}

// answerRows sends rows of JSON as one JSON array. It copies the rows without parsing
// them, unlike a JSON encoder.
func (a *api) answerRows(w http.ResponseWriter, rows []json.RawMessage) {
	size := len("[]\n") + max(0, len(rows)-1)
	for _, row := range rows {
		size += len(row)
	}
	writeHeader(w, http.StatusOK, size)

	// net/http would pass on each row separately, because it buffers only 4 KiB.
	body := bufio.NewWriterSize(w, 32<<10)
	body.WriteByte('[')
	for i, row := range rows {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(row)
	}
	body.WriteString("]\n")
	body.Flush()
}

// pageSize returns the number of rows for one page, but at most maximum. A client gives
// it in the header x-ms-max-item-count or in the parameter pageSize; without both it is
// defaultSize.
func pageSize(r *http.Request, defaultSize, maximum int) (int, error) {
	n := defaultSize
	if err := iothub.ReadParameter("x-ms-max-item-count", r.Header.Get("x-ms-max-item-count"), &n); err != nil {
		return 0, invalid("%v", err)
	}
	if err := readParameter(r, "pageSize", &n); err != nil {
		return 0, err
	}

	if n < 1 {
		return 0, invalid("the page size (x-ms-max-item-count or pageSize) is %d, want at least 1", n)
	}
	return min(n, maximum), nil
}

// continuation returns the token that requests the next page of a list. A client gives it
// in the header x-ms-continuation or in the parameter continuationToken.
func continuation(r *http.Request) string {
	return cmp.Or(parameter(r, "continuationToken"), r.Header.Get("x-ms-continuation"))
}
