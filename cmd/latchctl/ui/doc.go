// Package ui formats latchctl's output for people: [Table] fits a table to the
// terminal's width, and [Printer] shows the progress of a job.
//
// Rules:
//   - [Clean] removes the control characters from every text that came from a
//     device or a hub before the text is printed.
//   - Colour only repeats what the words say.
//   - A width is a number of characters. Each character counts as one column.
package ui
