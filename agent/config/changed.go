package config

import (
	"reflect"
	"strings"
)

// Changed returns the keys, dotted, by which two configurations differ.
func Changed(a, b Config) []string {
	return changed(nil, "", reflect.ValueOf(a), reflect.ValueOf(b))
}

func changed(keys []string, prefix string, a, b reflect.Value) []string {
	if a.Kind() != reflect.Struct {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			keys = append(keys, strings.TrimSuffix(prefix, "."))
		}
		return keys
	}
	for i := range a.NumField() {
		name := a.Type().Field(i).Tag.Get("toml")
		if name == "" { // a value that is no table
			if !reflect.DeepEqual(a.Interface(), b.Interface()) {
				keys = append(keys, strings.TrimSuffix(prefix, "."))
			}
			return keys
		}
		keys = changed(keys, prefix+name+".", a.Field(i), b.Field(i))
	}
	return keys
}

// Reloadable reports whether a change of the key can be taken without touching
// the lock or the link.
func Reloadable(key string) bool {
	return key == "log_level" || key == "lock.auto_relock" || strings.HasPrefix(key, "place.")
}
