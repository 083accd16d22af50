// Package deb builds the Debian packages with build.sh and tests them. Each build must
// give the same bytes, and lintian must report nothing. Each bill of materials must
// list exactly the modules that its program links. The copyright file must have the
// license of each module.
package deb
