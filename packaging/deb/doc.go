// Package deb has the recipes of the packages for Debian, and tests what comes out
// of them: the same bytes each time, nothing that lintian complains of, and a bill
// of materials that is true.
package deb
