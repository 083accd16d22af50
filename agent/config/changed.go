package config

import (
	"reflect"
	"strings"
)

// Changed returns the dotted names of the keys (such as lock.mode) whose values differ
// between two configurations.
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
		if name == "" { // the struct is the value of one key
			return compare()
		}
		keys = changed(keys, prefix+name+".", a.Field(i), b.Field(i))
	}
	return keys
}

// Reloadable reports whether a running agent can apply a new value of the key. Most
// keys of the lock and all keys of the connection need a restart.
func Reloadable(key string) bool {
	return key == "log_level" || key == "lock.auto_relock" || key == "lock.held_open" || strings.HasPrefix(key, "place.")
}
