// Package query is IoT Hub's query language, as far as the embedded hub speaks
// it: a lexer and a parser to a tree with positions, and a compiler to SQLite's
// dialect of SQL.
//
//	SELECT * FROM devices WHERE tags.building = '43' AND NOT status = 'disabled'
//	SELECT deviceId, tags.floor AS floor FROM devices
//	SELECT COUNT() AS doors FROM devices WHERE IS_DEFINED(properties.reported.lock)
//	SELECT tags.floor, COUNT() AS doors, AVG(tags.age) AS age FROM devices GROUP BY tags.floor
//	SELECT TOP 10 deviceId FROM devices
//	SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'lock-43'
//
// # What it promises
//
// Nothing of a query's text becomes part of the SQL: literals and JSON paths are
// bound parameters. A comparison of values of different types, or with a property
// that does not exist, is undefined; undefined is not true, and neither is its
// negation. Strings compare by their bytes. Keywords, functions and the names of
// the hub's own fields are taken in any case, names of tags and properties only
// as they are written. SUM, AVG, MIN and MAX take the values that are numbers, and
// are undefined where there is none. Documents in which what is grouped by is
// undefined are one group. A text that is not understood, too long or nested too deep
// is refused with an [Error] that has its position.
//
// The package does no I/O. The SQL counts on the columns that package store
// creates; the table of them is in fields.go.
package query
