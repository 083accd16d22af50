package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// explain makes one line of an error: file, line, key and what is wrong.
func explain(file string, text []byte, err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		first := unknown.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("%s:%d: %s is not a key of latchd's configuration", file, line, dotted(first.Key()))
	}
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := wrong.Position()
		problem := inTOML(strings.TrimPrefix(wrong.Error(), "toml: "))
		if key := wrong.Key(); len(key) > 0 {
			problem = dotted(key) + ": " + problem
		}
		return fmt.Errorf("%s:%d: %s", file, line, problem)
	}
	if value, ok := errors.AsType[valueError](err); ok {
		if line := lineOf(text, value.key); line > 0 {
			return fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
	return fmt.Errorf("%s: %w", file, err)
}

// wrongKind is the decoder's message for a value that is of another kind than its
// key's, which speaks of Go.
var wrongKind = regexp.MustCompile(`^cannot decode TOML (\w+) into struct field \S+ of type (\w+)$`)

// inTOML says the same without Go's types.
func inTOML(problem string) string {
	kinds := wrongKind.FindStringSubmatch(problem)
	if kinds == nil {
		return problem
	}
	want := map[string]string{"string": "text in quotes", "bool": "true or false", "int64": "a whole number"}[kinds[2]]
	if want == "" {
		want = "a " + kinds[2]
	}
	article := "a"
	if strings.ContainsAny(kinds[1][:1], "aeiou") {
		article = "an"
	}
	return fmt.Sprintf("%s %s is not possible; want %s", article, kinds[1], want)
}

// lineOf returns the line on which the dotted key is given, or 0.
func lineOf(text []byte, key string) int {
	var p unstable.Parser
	p.Reset(text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		var parts []string
		line := 0
		for k := e.Key(); k.Next(); {
			parts = append(parts, string(k.Node().Data))
			line = p.Shape(k.Node().Raw).Start.Line
		}
		name := strings.Join(parts, ".")
		switch e.Kind {
		case unstable.Table:
			table = name + "."
		case unstable.KeyValue:
			if table+name == key {
				return line
			}
		}
	}
	return 0
}

func dotted(key toml.Key) string { return strings.Join(key, ".") }
