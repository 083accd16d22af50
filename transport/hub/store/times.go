package store

import (
	"database/sql"
	"time"
)

// toMicros returns a time as the file stores it: Unix microseconds in UTC.
func toMicros(t time.Time) int64 { return t.UnixMicro() }

// fromMicros returns the time that the file stores as Unix microseconds.
func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// fromOptionalMicros returns the time in a nullable column, or nil for NULL.
func fromOptionalMicros(micros sql.NullInt64) *time.Time {
	if !micros.Valid {
		return nil
	}
	t := fromMicros(micros.Int64)
	return &t
}
