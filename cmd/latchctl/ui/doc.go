// Package ui formats latchctl's output for people: [Table] fits a table to the
// terminal's width, and [Printer] shows the progress of a job.
//
// Rules:
//   - Before a text from a device or a hub is printed, [Clean] removes its control
//     characters.
//   - A colour only repeats what the words beside it say.
//   - A width is a number of characters. Each character counts as one column.
package ui
