// Package release tests what releases consist of besides the Debian packages: the
// version, the archives of "make dist" for Linux, macOS and Windows, their bills of
// materials and their sums, and the container image of latchhub.
package release
