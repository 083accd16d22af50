package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// explain turns an error into one line of text with file, line, key and problem.
func explain(file string, text []byte, err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		first := unknown.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("%s:%d: unknown key %s", file, line, dotted(first.Key()))
	}

	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := wrong.Position()
		problem := withoutGoTypes(strings.TrimPrefix(wrong.Error(), "toml: "))
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

// wrongType matches the TOML decoder's error for a value of the wrong type. This error
// mentions Go types and struct fields.
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into struct field \S+ of type (\w+)$`)

// withoutGoTypes rewrites an error of the TOML decoder so that it does not mention Go
// types and struct fields. It returns other errors unchanged.
func withoutGoTypes(problem string) string {
	types := wrongType.FindStringSubmatch(problem)
	if types == nil {
		return problem
	}

	want := map[string]string{"string": "text in quotes", "bool": "true or false", "int64": "a whole number"}[types[2]]
	if want == "" {
		want = "a " + types[2]
	}
	article := "a"
	if strings.ContainsAny(types[1][:1], "aeiou") {
		article = "an"
	}
	return fmt.Sprintf("%s %s is not allowed; want %s", article, types[1], want)
}

// lineOf returns the number of the line that sets a dotted key, such as lock.mode, or 0
// if no line sets it.
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
