package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/latchd/latchd/transport/hub/query"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// query runs SELECT ... FROM devices or devices.jobs, a page at a time.
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
	limit, err := pageSize(r)
	if err != nil {
		return err
	}
	var rows []json.RawMessage
	var next string
	itemType := "Twin"
	if q.Collection == query.DeviceJobs {
		itemType = "DeviceJob"
		rows, next, err = a.Store.QueryDeviceJobs(r.Context(), q, limit, r.Header.Get("x-ms-continuation"))
	} else {
		rows, next, err = a.Store.QueryTwins(r.Context(), q, limit, r.Header.Get("x-ms-continuation"))
	}
	if err != nil {
		return err
	}
	if !q.Star() {
		itemType = "Raw"
	}
	if rows == nil {
		rows = []json.RawMessage{}
	}
	return a.page(w, itemType, rows, next)
}

// page answers with one page of a list.
func (a *api) page(w http.ResponseWriter, itemType string, rows any, next string) error {
	w.Header().Set("x-ms-item-type", itemType)
	if next != "" {
		w.Header().Set("x-ms-continuation", next)
	}
	list, ok := rows.([]json.RawMessage)
	if !ok {
		return a.answer(w, rows)
	}
	// The store's rows are JSON already. An encoder would read all of it again.
	size := 3
	for _, row := range list {
		size += len(row) + 1
	}
	body := append(make([]byte, 0, size), '[')
	for i, row := range list {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, row...)
	}
	a.answerJSON(w, http.StatusOK, append(body, "]\n"...))
	return nil
}

// pageSize reads x-ms-max-item-count. More than the hub gives is cut down.
func pageSize(r *http.Request) (int, error) {
	text := r.Header.Get("x-ms-max-item-count")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalid("x-ms-max-item-count is %q, want a number from 1 on", text)
	}
	return min(n, maxPage), nil
}
