// Package query implements the part of IoT Hub's query language that the embedded
// hub supports. Use [Parse] for a whole SELECT statement and [ParseCondition] for the
// condition of a job. The result is a tree with positions; [Condition.SQL],
// [Query.Outputs] and [Query.Groups] compile it to SQLite's dialect of SQL.
//
//	SELECT * FROM devices WHERE tags.building = '43' AND NOT status = 'disabled'
//	SELECT deviceId, tags.floor AS floor FROM devices
//	SELECT COUNT() AS doors FROM devices WHERE IS_DEFINED(properties.reported.lock)
//	SELECT tags.floor, COUNT() AS doors, AVG(tags.age) AS age FROM devices GROUP BY tags.floor
//	SELECT TOP 10 deviceId FROM devices
//	SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'lock-43'
//
// The package does no I/O. The compiled SQL uses the tables that package store
// creates; fields.go maps properties to their columns.
//
// # Guarantees
//
//   - No part of a query's text becomes part of the SQL. Literals and JSON paths are
//     bound parameters.
//   - Comparing values of different types, or a property that does not exist, gives
//     undefined. Undefined is not true, and neither is its negation.
//   - Strings compare by their bytes.
//   - Keywords, functions and the hub's own fields match in any case. Names of tags
//     and properties are case-sensitive.
//   - SUM, AVG, MIN and MAX use only values that are numbers. Without any number
//     their result is undefined.
//   - GROUP BY puts all documents whose grouping property is undefined into one
//     group.
//   - A text that is invalid, too long or nested too deep is refused with an [Error]
//     that has the position.
package query
