package rest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// rawRows are the rows of a page as JSON text. They share the memory of the page.
type rawRows []json.RawMessage

// UnmarshalJSON splits a page into its rows. A page must be a JSON array. A page of 1,000
// twins has 2 MB, which encoding/json would scan twice and copy.
func (r *rawRows) UnmarshalJSON(page []byte) error {
	if rows, ok := splitRows(bytes.TrimSpace(page)); ok {
		*r = rows
		return nil
	}
	return json.Unmarshal(page, (*[]json.RawMessage)(r))
}

// maxLevels is how deep splitRows follows nested objects and arrays. Both hubs allow
// fewer levels.
const maxLevels = 100

// splitRows returns the elements of a JSON array. It accepts only the form that hubs
// write: JSON without spaces between tokens and without \u escapes. For any other text it
// returns false, even if the text is valid JSON.
func splitRows(text []byte) (rows []json.RawMessage, ok bool) {
	if string(text) == "[]" {
		return []json.RawMessage{}, true
	}
	if len(text) == 0 || text[0] != '[' {
		return nil, false
	}

	i := 0
	for text[i] != ']' {
		start := i + 1 // after '[' or ','
		if i = valueEnd(text, start, maxLevels); i < 0 || i == len(text) || text[i] != ',' && text[i] != ']' {
			return nil, false
		}
		rows = append(rows, slices.Clip(text[start:i]))
	}
	return rows, i == len(text)-1
}

// valueEnd returns the end of the JSON value that starts at text[i], or -1 if there is no
// value in the form that splitRows accepts.
func valueEnd(text []byte, i, levels int) int {
	if i >= len(text) || levels == 0 {
		return -1
	}
	switch text[i] {
	case '"':
		return stringEnd(text, i)
	case '{', '[':
		return listEnd(text, i, levels-1)
	}

	end := i
	for end < len(text) && text[end] > ' ' && text[end] != ',' && text[end] != '}' && text[end] != ']' {
		end++
	}
	switch word := text[i:end]; {
	case string(word) == "true", string(word) == "false", string(word) == "null", json.Valid(word):
		return end
	}
	return -1
}

// listEnd is valueEnd for an object or array.
func listEnd(text []byte, i, levels int) int {
	isObject, closing := text[i] == '{', text[i]+2 // in ASCII, ] is [ + 2 and } is { + 2
	if i++; i < len(text) && text[i] == closing {
		return i + 1
	}

	for {
		if isObject {
			if i = stringEnd(text, i); i < 0 || i == len(text) || text[i] != ':' {
				return -1
			}
			i++
		}
		if i = valueEnd(text, i, levels); i < 0 || i == len(text) {
			return -1
		}
		switch text[i] {
		case closing:
			return i + 1
		case ',':
			i++
		default:
			return -1
		}
	}
}

// stringEnd is valueEnd for a string.
func stringEnd(text []byte, i int) int {
	if i == len(text) || text[i] != '"' {
		return -1
	}
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i++; i == len(text) || strings.IndexByte(`"\/bfnrt`, text[i]) < 0 {
				return -1
			}
		}
	}
	return -1
}
