package api

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/reference"
	"github.com/latchd/latchd/transport/hub/internal/access"
)

// TestReference writes the routes into the reference.
func TestReference(t *testing.T) {
	// Another file of the tests, in the package api_test, defines the flag.
	update := flag.Lookup("update").Value.String() == "true"
	a := &api{}
	routes := a.routes()

	rows := [][]string{{"request", "right", "change"}}
	for _, pattern := range sorted(maps.Keys(routes)) {
		r := routes[pattern]
		rows = append(rows, []string{"`" + pattern + "`", rightName(r.right), r.change})
	}
	reference.Check(t, "routes", reference.Table(rows), update)

	rows = [][]string{{"request"}}
	for _, pattern := range sorted(maps.Keys(a.registrationRoutes())) {
		rows = append(rows, []string{"`" + pattern + "`"})
	}
	reference.Check(t, "registration", reference.Table(rows), update)

	rows = [][]string{{"path", "reason"}}
	for _, path := range slices.Sorted(maps.Keys(notServed)) {
		rows = append(rows, []string{"`" + path + "`", notServed[path]})
	}
	reference.Check(t, "refused", reference.Table(rows), update)
}

// sorted sorts patterns by path, then by HTTP method.
func sorted(patterns func(func(string) bool)) []string {
	key := func(pattern string) string {
		method, path, _ := strings.Cut(pattern, " ")
		return path + " " + method
	}
	return slices.SortedFunc(patterns, func(x, y string) int { return strings.Compare(key(x), key(y)) })
}

// rightName returns the name of a route's right. Only latchhub has a right to read twins
// and jobs alone, and one for all rights.
func rightName(r access.Right) string {
	switch r {
	case access.ServiceRead:
		return "ServiceConnect, or a viewer"
	case access.EveryRight:
		return "all rights"
	case access.Redeem:
		return "the code of an invitation"
	}
	return r.String()
}
