#!/usr/bin/env bash
# Runs each fuzz target that there is for FUZZTIME: a number of inputs (10000x)
# or a time (5s). A number ends every run at the same place, however fast the
# machine is.
set -euo pipefail
cd "$(dirname "$0")/../.."
fuzztime=${FUZZTIME:-10000x}

# go test -list prints a package's targets, then the line "ok PACKAGE TIME".
targets=$(go test -list '^Fuzz' ./... | awk '/^Fuzz/ { name[++n] = $1 } /^(ok|\?)/ { for (i = 1; i <= n; i++) print $2, name[i]; n = 0 }')
while read -r package target; do
	printf '%s %s\n' "$package" "$target"
	if ! log=$(go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -timeout 5m 2>&1); then
		printf '%s\n' "$log"
		exit 1
	fi
	printf '%s\n' "$log" | grep 'fuzz: elapsed' | tail -n 1
done <<<"$targets"
