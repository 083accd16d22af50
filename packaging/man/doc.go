// Package man has the manual pages. Those of latchctl are made from its commands and
// that of latchd.toml from the table of its keys; the others are written by hand,
// and tested to name all commands and flags that there are.
package man
