// Package deb builds the Debian packages with build.sh, and tests them: each build gives
// the same bytes, lintian reports nothing, each bill of materials lists exactly the
// modules that its program links, and the copyright file has the license of each module.
package deb
