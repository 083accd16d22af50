package store

import "time"

// micros is how a time stands in the file: Unix microseconds, UTC.
func micros(t time.Time) int64 { return t.UnixMicro() }

// moment is the time that micros made a number of.
func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
