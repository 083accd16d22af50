#!/usr/bin/env bash
# Builds all programs for ARMv6, arm64 and this machine, and checks that they are static:
# built without cgo and without a dynamic linker. cross.sh [FOLDER] keeps the programs in
# FOLDER/GOARCH.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:-}
if [ -z "$out" ]; then
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
fi

check() { # FOLDER
	local program
	for program in "$1"/*; do
		if ! go version -m "$program" | grep -q 'CGO_ENABLED=0'; then
			printf '%s is built with cgo\n' "$program"
			exit 1
		fi
		if readelf -lW "$program" | grep -q INTERP; then
			printf '%s needs a dynamic linker\n' "$program"
			exit 1
		fi
	done
}

for target in arm arm64 "$(go env GOARCH)"; do
	CGO_ENABLED=0 GOOS=linux GOARCH=$target GOARM=6 go build -trimpath -ldflags='-s -w' -o "$out/$target/" ./cmd/...
	check "$out/$target"
	printf '%s:%s\n' "$target" "$(cd "$out/$target" && stat -c ' %n %s' -- * | awk '{ printf "  %s %.1f MiB", $1, $2 / 1048576 }')"
done
