package config

import (
	"reflect"
	"strings"
)

// Changed returns the dotted keys whose values differ between two configurations.
func Changed(a, b Config) []string {
	return changed(nil, "", reflect.ValueOf(a), reflect.ValueOf(b))
}

func changed(keys []string, prefix string, a, b reflect.Value) []string {
	compare := func() []string {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			keys = append(keys, strings.TrimSuffix(prefix, "."))
		}
		return keys
	}
	if a.Kind() != reflect.Struct {
		return compare()
	}

	for i := range a.NumField() {
		name := a.Type().Field(i).Tag.Get("toml")
		if name == "" { // a struct that is one value, not a table
			return compare()
		}
		keys = changed(keys, prefix+name+".", a.Field(i), b.Field(i))
	}
	return keys
}

// Reloadable reports whether a running agent can apply a change of the key without
// touching the lock or the connection to the hub.
func Reloadable(key string) bool {
	return key == "log_level" || key == "lock.auto_relock" || key == "lock.held_open" || strings.HasPrefix(key, "place.")
}
