package query

import (
	"strconv"
	"strings"
)

// checkTimes returns an error if a comparison of a and b compares one of the hub's times
// with a text that is not a time, or with the value of another property. Compared as
// texts, times would be in the wrong order: for example, 'yesterday' is after every date.
func (p *parser) checkTimes(a, b Expr) error {
	for _, pair := range [][2]Expr{{a, b}, {b, a}} {
		path, other := pair[0], pair[1]
		if !p.isTime(path) || p.isTime(other) {
			continue
		}

		constant, ok := other.(*Literal)
		if !ok {
			return errorAt(p.text, other.Position(), "%s is a time: compare it with a constant, such as '%s', or with another time of the hub",
				nameOf(path), timeExample)
		}
		text, ok := constant.Value.(string)
		if _, isTime := parseTime(text); ok && !isTime {
			return errorAt(p.text, other.Position(), "'%s' is not a time: write a time such as '%s' or '2026-11-26'", escaped(text), timeExample)
		}
	}
	return nil
}

// checkTimeList returns an error if x is one of the hub's times and the list contains a
// text that is not a time.
func (p *parser) checkTimeList(x Expr, list []*Literal) error {
	if !p.isTime(x) {
		return nil
	}
	for _, l := range list {
		if err := p.checkTimes(x, l); err != nil {
			return err
		}
	}
	return nil
}

// timeExample is a time in the form that error messages recommend.
const timeExample = "2026-11-26T23:59:59Z"

// checkNumber returns an error if the operand of an arithmetic operator is never a
// number, because it is a time or a property that no document has. Such an operand is
// often a name with a dash: tags.my-tag is the difference of tags.my and tag.
func (p *parser) checkNumber(x Expr) error {
	path, ok := x.(*Path)
	if !ok {
		return nil
	}

	if p.isTime(path) {
		return errorAt(p.text, path.Position(), "%s is a time: there is no arithmetic with times", nameOf(path))
	}
	if _, _, ok := findField(p.collection, path.Names); !ok {
		return errorAt(p.text, path.Position(), "%s has no property %s: write a name with a special character as in tags['a-b']",
			p.collection, nameOf(path))
	}
	return nil
}

// isTime reports whether the expression is one of the hub's times.
func (p *parser) isTime(e Expr) bool {
	path, ok := e.(*Path)
	if !ok {
		return false
	}
	f, below, ok := findField(p.collection, path.Names)
	return ok && (f.class == timestamp || isMetadataTime(f, below))
}

// nameOf returns the path of a property for an error message.
func nameOf(e Expr) string {
	path, _ := e.(*Path)
	return escaped(strings.Join(path.Names, "."))
}

// escaped returns a text for an error message: on one line, and cut after 60 characters.
func escaped(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "..."
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
