// Package aptrepo tests the script that makes a signed repository of packages, with
// apt itself: it installs what is signed, and refuses all else.
package aptrepo
