package query_test

import (
	"fmt"

	"github.com/latchd/latchd/transport/hub/internal/query"
)

func ExampleParse() {
	q, err := query.Parse(`select * from devices where tags.building = "43"`)
	if err != nil {
		fmt.Println(err)
		return
	}

	where, args := q.Where.SQL(q.Collection)
	fmt.Println("from", q.Collection)
	fmt.Println(where)
	fmt.Println(args...)
	// Output:
	// from devices
	// (CASE WHEN json_type(d.tags, ?) IN ('text') THEN json_extract(d.tags, ?) = ? END)
	// $."building" $."building" 43
}

func ExampleParseCondition() {
	_, err := query.ParseCondition("SELECT * FROM devices WHERE tags.floor = 3")
	fmt.Println(err)
	_, err = query.ParseCondition("tags.floor = 3 AND\ntags.room IN ('a', 'b')")
	fmt.Println(err)
	// Output:
	// line 1:1: expected a condition, found a whole query: give only the part after WHERE
	// line 2:14: expected a list in brackets, such as ['a', 'b'], found parentheses
}
