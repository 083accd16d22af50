package query_test

import (
	"math"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
)

// undefined is the value of a missing property. It is also the result of comparing
// values of different types.
type undefined struct{}

// evaluate computes the value of an expression for one document. It is a second, simple
// implementation of the query language, and the compiled SQL must give the same results.
func evaluate(e query.Expr, document map[string]any) any {
	switch e := e.(type) {
	case *query.Literal:
		if _, ok := e.Value.(query.Undefined); ok {
			return undefined{}
		}
		return e.Value
	case *query.Path:
		return lookUp(document, e.Names)
	case *query.Not:
		if b, ok := evaluate(e.X, document).(bool); ok {
			return !b
		}
		return undefined{}
	case *query.Logic:
		return logic(e, document)
	case *query.Compare:
		left, right := evaluate(e.Left, document), evaluate(e.Right, document)
		if isTime(e.Left) || isTime(e.Right) {
			left, right = microseconds(left), microseconds(right)
		}
		return compare(e.Op, left, right)
	case *query.Arithmetic:
		return arithmetic(e.Op, evaluate(e.Left, document), evaluate(e.Right, document))
	case *query.Sign:
		return arithmetic(e.Op, 0.0, evaluate(e.X, document))
	case *query.In:
		return in(e, document)
	case *query.Call:
		var args []any
		for _, a := range e.Args {
			args = append(args, evaluate(a, document))
		}
		return call(e.Name, args)
	}
	panic("unknown node")
}

// arithmetic computes an arithmetic operation. If an operand or the result is not a
// number, the result is undefined.
func arithmetic(op string, a, b any) any {
	x, isNumber := a.(float64)
	y, ok := b.(float64)
	if !isNumber || !ok || y == 0 && (op == "/" || op == "%") {
		return undefined{}
	}

	var result float64
	switch op {
	case "+":
		result = x + y
	case "-":
		result = x - y
	case "*":
		result = x * y
	case "/":
		result = x / y
	case "%":
		result = math.Mod(x, y)
	}
	if math.IsNaN(result) {
		return undefined{}
	}
	return result
}

// isTime reports whether an expression is one of the hub's times.
func isTime(e query.Expr) bool {
	path, ok := e.(*query.Path)
	if !ok {
		return false
	}
	switch last := path.Names[len(path.Names)-1]; strings.ToLower(last) {
	case "lastactivitytime", "statusupdatetime", "starttimeutc", "endtimeutc", "createddatetimeutc", "lastupdateddatetimeutc":
		return len(path.Names) == 1
	default:
		return last == "$lastUpdated"
	}
}

// microseconds converts a time from a document or a query to Unix microseconds. Other
// values are undefined.
func microseconds(v any) any {
	text, _ := v.(string)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.UnixMicro())
		}
	}
	return undefined{}
}

// lookUp returns the value of a property. It ignores letter case in the names of the
// hub's own fields.
func lookUp(document map[string]any, names []string) any {
	var value any = document
	for i, n := range names {
		members, ok := value.(map[string]any)
		if !ok {
			return undefined{}
		}
		if i == 0 || i == 1 && strings.EqualFold(names[0], "properties") {
			for m := range members {
				if strings.EqualFold(m, n) {
					n = m
				}
			}
		}
		if value, ok = members[n]; !ok {
			return undefined{}
		}
	}
	return value
}

// logic evaluates AND and OR. If a term is false, AND is false. If a term is true, OR is
// true. Otherwise a term that is not a boolean makes the result undefined.
func logic(e *query.Logic, document map[string]any) any {
	decisive := e.Op == "OR"
	var result any = !decisive
	for _, term := range e.Terms {
		switch b, ok := evaluate(term, document).(bool); {
		case !ok:
			result = undefined{}
		case b == decisive:
			return decisive
		}
	}
	return result
}

// compare compares two values of the same type. For values of different types the result
// is undefined.
func compare(op string, a, b any) any {
	switch a := a.(type) {
	case nil:
		if b == nil {
			return compared(op, 0)
		}
	case string:
		if b, ok := b.(string); ok {
			return compared(op, strings.Compare(a, b))
		}
	case float64:
		if b, ok := b.(float64); ok {
			return compared(op, order(a, b))
		}
	case bool:
		if b, ok := b.(bool); ok {
			return compared(op, order(number(a), number(b)))
		}
	}
	return undefined{}
}

// order returns -1 if a is less than b, 0 if they are equal, and 1 if a is greater.
func order(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// compared reports whether a comparison is true. c is -1, 0 or 1 if the left operand is
// less than, equal to or greater than the right.
func compared(op string, c int) bool {
	switch op {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// in evaluates IN and NIN. If no constant of the list has the value's type, the result
// is undefined.
func in(e *query.In, document map[string]any) any {
	x := evaluate(e.X, document)
	var result any = undefined{}
	for _, l := range e.List {
		equal := compare("=", x, evaluate(l, document))
		if isTime(e.X) {
			equal = compare("=", microseconds(x), microseconds(evaluate(l, document)))
		}
		switch equal {
		case true:
			return !e.Not
		case false:
			result = e.Not
		}
	}
	return result
}

// call evaluates a function call. If an argument of a string function is not a string,
// the result is undefined.
func call(name string, args []any) any {
	x := args[0]
	_, isUndefined := x.(undefined)
	_, isBool := x.(bool)
	_, isNumber := x.(float64)
	s, isString := x.(string)
	_, isArray := x.([]any)
	_, isObject := x.(map[string]any)

	switch name {
	case "IS_DEFINED":
		return !isUndefined
	case "IS_NULL":
		return x == nil
	case "IS_BOOL":
		return isBool
	case "IS_NUMBER":
		return isNumber
	case "IS_STRING":
		return isString
	case "IS_ARRAY":
		return isArray
	case "IS_OBJECT":
		return isObject
	case "IS_PRIMITIVE":
		return x == nil || isBool || isNumber || isString
	}

	t, ok := args[1].(string)
	if !ok || !isString {
		return undefined{}
	}

	switch name {
	case "STARTS_WITH":
		return strings.HasPrefix(s, t)
	case "ENDS_WITH":
		return strings.HasSuffix(s, t)
	case "CONTAINS":
		return strings.Contains(s, t)
	}
	panic("unknown function " + name)
}
