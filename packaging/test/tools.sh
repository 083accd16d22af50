#!/usr/bin/env bash
# Checks that the tools for the tests are installed. As root on Debian or Ubuntu, it
# announces and installs missing packages. Otherwise it prints the command that installs
# them, and exits with status 1.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'tools: %s\n' "$*"; }

# at_least HAVE WANT succeeds if version HAVE is WANT or later.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

packages=()
missing() { say "$1 is missing"; shift; packages+=("$@"); }

# The race detector needs a C compiler and the headers of the C library.
compiles() { printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null; }
compiles || missing 'gcc with the C library (for the race detector)' gcc libc6-dev
command -v git >/dev/null || missing git git
node_version=$(node --version 2>/dev/null | tr -d v) || node_version=0
at_least "$node_version" 18 || missing 'node 18 or later' nodejs
command -v npm >/dev/null || missing npm npm
command -v chromium >/dev/null || missing 'chromium (for the console)' chromium fonts-dejavu-core
# The tests of the Debian packages need these tools, which only Debian has.
if command -v apt-get >/dev/null; then
	command -v lintian >/dev/null || missing 'lintian (for the packages)' lintian
	command -v apt-ftparchive >/dev/null || missing 'apt-ftparchive (for their repository)' apt-utils
	command -v gpg >/dev/null || missing gpg gnupg
fi
command -v mosquitto_sub >/dev/null || missing 'mosquitto_sub and mosquitto_pub' mosquitto-clients

if [ ${#packages[@]} -gt 0 ]; then
	install=(apt-get install -y --no-install-recommends "${packages[@]}")
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "install the missing tools; on Debian run: sudo apt-get update && sudo ${install[*]}"
		exit 1
	fi
	say "installing: apt-get update && ${install[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	"${install[@]}"
	node_version=$(node --version 2>/dev/null | tr -d v) || node_version=0
	if ! at_least "$node_version" 18; then
		say "this system has node $node_version, but the tests need 18 or later: install it from nodejs.org"
		exit 1
	fi
fi

# Debian's Go is too old. Any recent go command downloads the toolchain that go.mod names,
# unless GOTOOLCHAIN forbids it.
want=$(sed -n 's/^go //p' go.mod)
have=$(go env GOVERSION 2>/dev/null | sed 's/^go//; s/[- ].*//') || have=
if ! at_least "${have:-0}" "$want"; then
	say "the tests need Go $want or later, found ${have:-none}: install it from https://go.dev/doc/install"
	exit 1
fi
say "go $have, node $node_version, gcc $(gcc -dumpversion), $(git --version), $(chromium --version 2>/dev/null)"
