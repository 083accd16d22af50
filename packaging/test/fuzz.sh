#!/usr/bin/env bash
# Runs each fuzz target of the project for FUZZTIME, which is a number of inputs (default
# 10000x) or a time (5s). A number makes all machines run the same amount of work. Each
# package is built once for all of its targets.
set -euo pipefail
cd "$(dirname "$0")/../.."
fuzztime=${FUZZTIME:-10000x}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -rl --include='*_test.go' '^func Fuzz' . | grep -v node_modules | xargs -n 1 dirname | sort -u | while read -r folder; do
	go test -c -vet=off -fuzz . -o "$work/test" "$folder"
	(cd "$folder" && "$work/test" -test.list '^Fuzz') | while read -r target; do
		printf '%s %s\n' "$folder" "$target"
		if ! log=$(cd "$folder" && "$work/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$fuzztime" \
			-test.fuzzcachedir "$work/cache" -test.timeout 5m 2>&1 </dev/null); then
			printf '%s\n' "$log"
			exit 1
		fi
		printf '%s\n' "$log" | grep 'fuzz: elapsed' | tail -n 1
	done
done
