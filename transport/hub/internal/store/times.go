package store

import (
	"database/sql"
	"time"
)

// toMicros converts a time to Unix microseconds, the form in which the database stores
// times.
func toMicros(t time.Time) int64 { return t.UnixMicro() }

// fromMicros converts Unix microseconds from the database to a time.
func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// fromOptionalMicros converts Unix microseconds from a nullable column to a time. NULL
// becomes nil.
func fromOptionalMicros(micros sql.NullInt64) *time.Time {
	if !micros.Valid {
		return nil
	}
	t := fromMicros(micros.Int64)
	return &t
}
