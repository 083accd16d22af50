#!/usr/bin/env bash
# Checks the tools that the tests need, each by what is needed of it. What Debian
# has is installed, after saying so, if this runs as root there; otherwise the
# command that installs it is printed and the status is 1.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'tools: %s\n' "$*"; }

# at_least HAVE WANT: whether version HAVE is WANT or later.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

packages=()
missing() { say "$1 is missing"; shift; packages+=("$@"); }

# The race detector needs a C compiler and the C library's headers.
compiles() { printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null; }
compiles || missing 'gcc with the C library (for the race detector)' gcc libc6-dev
command -v git >/dev/null || missing git git
node_version=$(node --version 2>/dev/null | tr -d v) || node_version=0
at_least "$node_version" 18 || missing 'node 18 or later' nodejs
command -v npm >/dev/null || missing npm npm
command -v chromium >/dev/null || missing 'chromium (for the console)' chromium fonts-dejavu-core
# Only Debian has them, and only its packages need them.
if command -v apt-get >/dev/null; then
	command -v lintian >/dev/null || missing 'lintian (for the packages)' lintian
	command -v apt-ftparchive >/dev/null || missing 'apt-ftparchive (for their repository)' apt-utils
	command -v gpg >/dev/null || missing gpg gnupg
fi
command -v mosquitto_sub >/dev/null || missing "mosquitto_sub and mosquitto_pub" mosquitto-clients

if [ ${#packages[@]} -gt 0 ]; then
	install=(apt-get install -y --no-install-recommends "${packages[@]}")
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "install what is missing, on Debian with: sudo apt-get update && sudo ${install[*]}"
		exit 1
	fi
	say "installing: apt-get update && ${install[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	"${install[@]}"
	node_version=$(node --version 2>/dev/null | tr -d v) || node_version=0
	if ! at_least "$node_version" 18; then
		say "node is still $node_version, and 18 or later is needed: install it from nodejs.org"
		exit 1
	fi
fi

# Go comes from go.dev, as Debian's is too old. Inside the module the go command
# fetches the toolchain that go.mod names, unless it is told not to.
want=$(sed -n 's/^go //p' go.mod)
have=$(go env GOVERSION 2>/dev/null | sed 's/^go//; s/[- ].*//') || have=
if ! at_least "${have:-0}" "$want"; then
	say "Go $want or later is needed and there is ${have:-none}: install it as https://go.dev/doc/install says"
	exit 1
fi
say "go $have, node $node_version, gcc $(gcc -dumpversion), $(git --version), $(chromium --version 2>/dev/null)"
