package query

import (
	"reflect"
	"testing"
)

// sameQuery compares two trees without their positions.
func sameQuery(a, b *Query) bool {
	if a == nil || b == nil || a.Collection != b.Collection || len(a.Columns) != len(b.Columns) {
		return false
	}
	for i, c := range a.Columns {
		if c.Name != b.Columns[i].Name || !same(c.Expr, b.Columns[i].Expr) {
			return false
		}
	}
	for i := range a.GroupBy {
		if len(b.GroupBy) != len(a.GroupBy) || !same(a.GroupBy[i], b.GroupBy[i]) {
			return false
		}
	}
	return a.Top == b.Top && len(a.GroupBy) == len(b.GroupBy) && sameCondition(a.Where, b.Where)
}

func sameCondition(a, b *Condition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return same(a.Root, b.Root)
}

func same(a, b Expr) bool {
	return reflect.DeepEqual(unplaced(reflect.ValueOf(&a).Elem()), unplaced(reflect.ValueOf(&b).Elem()))
}

// unplaced gives a tree as nested lists of its nodes' fields without positions.
func unplaced(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return unplaced(v.Elem())
	case reflect.Struct:
		list := []any{v.Type().Name()}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Pos" {
				list = append(list, unplaced(v.Field(i)))
			}
		}
		return list
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, unplaced(v.Index(i)))
		}
		return list
	}
	return v.Interface()
}

// FuzzParse holds that no text makes the parser fail, and that a tree that is
// printed and parsed again is the same, and compiles.
func FuzzParse(f *testing.F) {
	for _, q := range queries {
		f.Add(q.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			if e := err.(*Error); e.Pos < 0 || e.Pos > len(text) {
				t.Fatalf("the error's position is %d of %d", e.Pos, len(text))
			}
			return
		}
		again, err := Parse(q.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, q, err)
		}
		if !sameQuery(q, again) {
			t.Fatalf("%q prints as %q, which is another query: %q", text, q, again)
		}
		q.Where.SQL(q.Collection)
		q.Outputs()
	})
}

// FuzzParseCondition holds the same for the condition of a job.
func FuzzParseCondition(f *testing.F) {
	for _, text := range []string{"*", "tags.a = 1", "a IN ['x', 1] OR NOT (b)", "SELECT * FROM devices", "WHERE a = 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			return
		}
		again, err := ParseCondition(c.String())
		if err != nil || !sameCondition(c, again) {
			t.Fatalf("%q prints as %q, which gives %v (%v)", text, c, again, err)
		}
		c.SQL(Devices)
	})
}
