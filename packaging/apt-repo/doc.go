// Package aptrepo tests apt-repo.sh, which makes a signed apt repository: apt installs the
// packages of the repository, and refuses changed packages, a changed index and other keys.
package aptrepo
