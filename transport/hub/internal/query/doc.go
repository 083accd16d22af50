// Package query implements the part of IoT Hub's query language that the embedded hub
// supports. Use [Parse] for a whole SELECT statement and [ParseCondition] for the
// condition of a job. Both return a syntax tree. [Condition.SQL], [Query.Outputs] and
// [Query.Groups] compile the tree to SQLite's dialect of SQL.
//
//	SELECT * FROM devices WHERE tags.building = '43' AND NOT status = 'disabled'
//	SELECT deviceId, tags.floor AS floor FROM devices
//	SELECT COUNT() AS doors FROM devices WHERE IS_DEFINED(properties.reported.lock)
//	SELECT tags.floor, COUNT() AS doors, AVG(tags.age) AS age FROM devices GROUP BY tags.floor
//	SELECT TOP 10 deviceId FROM devices
//	SELECT * FROM devices WHERE tags.floor * 2 + 1 > 7 AND lastActivityTime < '2026-11-26 23:59:59'
//	SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'lock-43'
//
// The package does no I/O. The compiled SQL uses the tables that package store creates;
// fields.go maps properties to their columns.
//
// # Guarantees
//
//   - No part of a query's text becomes part of the SQL. Literals and JSON paths are
//     bound parameters.
//   - The result of a comparison is undefined if the values have different types or a
//     property does not exist. Undefined is not true, and NOT undefined is not true
//     either.
//   - Strings are compared byte by byte.
//   - Keywords, functions and the hub's own fields are not case-sensitive. Names of tags
//     and properties are.
//   - SUM, AVG, MIN and MAX ignore values that are not numbers. If no value is a number,
//     the result is undefined.
//   - GROUP BY puts all documents in which the property is undefined into one group.
//   - Arithmetic works on numbers only: any other operand makes the result undefined, and so
//     does a division by zero.
//   - The times of the hub are compared as times. A text that is not a time is refused.
//   - A type check, such as IS_DEFINED, sees a document as clients see it: each object, null
//     and text of it.
//   - A query that is invalid, too long or nested too deeply is refused with an [Error],
//     which has the position of the mistake.
package query
