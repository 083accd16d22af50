#!/usr/bin/env bash
# Prints the machine and the benchmarks' figures, each COUNT times (default 3).
set -euo pipefail
cd "$(dirname "$0")/../.."

printf 'date:    %s\n' "$(date -u +%Y-%m-%dT%H:%MZ)"
printf 'version: %s\n' "$(git describe --always --dirty --tags 2>/dev/null || echo unknown)"
printf 'machine: %s cores, %s memory, %s\n' "$(nproc)" "$(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)" "$(uname -srm)"
printf 'go:      %s\n\n' "$(go env GOVERSION)"
go test -run '^$' -bench . -benchtime 1x -count "${COUNT:-3}" -timeout 30m ./packaging/bench
