package door

import "encoding/json"

// Place is the building, floor or room of a door. Its text is the value that the device
// acknowledged, else the desired property, else the tag.
type Place struct {
	Text    string `json:"text,omitempty"`
	Number  bool   `json:"number,omitempty"`  // the twin has a number, not a string
	Tag     bool   `json:"tag,omitempty"`     // the text comes from a tag, not from a property
	Pending string `json:"pending,omitempty"` // value of the desired property, if the device has not applied it yet
}

// placeOf chooses the text of a building, floor or room. It returns the first value
// that is set: the value that the device acknowledged, the desired property, the tag.
func placeOf(reported, desired, tag json.RawMessage) Place {
	var ack struct {
		Value json.RawMessage `json:"value"`
	}
	want := clean(scalar(desired))

	if json.Unmarshal(reported, &ack) == nil {
		if p := newPlace(ack.Value); p.Text != "" {
			if want != p.Text {
				p.Pending = want
			}
			return p
		}
	}

	if p := newPlace(desired); p.Text != "" {
		return p
	}

	p := newPlace(tag)
	p.Tag = p.Text != ""
	return p
}

// newPlace returns the place whose value is a JSON string or number.
func newPlace(value json.RawMessage) Place {
	p := Place{Text: clean(scalar(value))}
	p.Number = p.Text != "" && value[0] != '"'
	return p
}
