// Package aptrepo tests apt-repo.sh, which makes a signed apt repository. The tests
// show that apt installs the repository's packages. They also show that apt refuses
// changed packages, a changed index and a repository that another key has signed.
package aptrepo
