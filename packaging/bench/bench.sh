#!/usr/bin/env bash
# Prints a description of the machine and the sizes of latchd for gateways. Then runs
# each benchmark COUNT times (default 5) and prints the figures and their medians.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

printf 'date:    %s\n' "$(date -u +%Y-%m-%dT%H:%MZ)"
printf 'version: %s\n' "$(git describe --always --dirty --tags 2>/dev/null || echo unknown)"
printf 'machine: %s cores, %s memory, %s\n' "$(nproc)" "$(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)" "$(uname -srm)"
printf 'go:      %s\n' "$(go env GOVERSION)"
printf 'node:    %s\n' "$(node --version 2>/dev/null || echo none)"

build() { # GOARCH FOLDER PROGRAMS: builds the programs with the flags of a release
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOARM=6 go build -trimpath -ldflags='-s -w' -o "$2/" "$3"
}
for arch in arm64 arm; do
	build "$arch" "$out/$arch" ./cmd/latchd
	printf 'size:    latchd for %s: %s MiB\n' "${arch/%arm/armv6}" "$(stat -c %s "$out/$arch/latchd" | awk '{ printf "%.2f", $1 / 1048576 }')"
done
build "$(go env GOARCH)" "$out/bin" ./cmd/...
if [ ! -d packaging/interop/node_modules ] && command -v npm >/dev/null; then
	(cd packaging/interop && npm ci --no-progress)
fi

printf '\n'
LATCHD_BIN=$out/bin go test -run '^$' -bench "${BENCH:-.}" -benchtime 1x -count "${COUNT:-5}" -timeout 4h ./packaging/bench |
	tee "$out/figures"

printf '\nmedians of %s:\n' "${COUNT:-5}"
# Each line of figures has the benchmark's name, its number of runs, and pairs of value and unit.
awk '/^Benchmark/ { sub(/-[0-9]+$/, "", $1); for (i = 3; i < NF; i += 2) print $1, $(i + 1), $i }' "$out/figures" |
	sort -k1,1V -k2,2 -k3,3g |
	awk '
		function flush() { if (n) printf "%-30s %-22s %10.4g\n", name, unit, n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
		$1 != name || $2 != unit { flush(); name = $1; unit = $2; n = 0 }
		{ v[++n] = $3 }
		END { flush() }'
