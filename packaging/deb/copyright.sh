#!/usr/bin/env bash
# Prints a package's Debian copyright file: copyright.sh < MODULES, where each line of
# MODULES is PATH VERSION FOLDER of a Go module that the package's programs link.
# The program in packaging/deb/tools recognizes the licenses of the files in FOLDER. MIT, BSD and Apache 2.0 pass;
# a person must decide on every other license in the file "licenses".
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Find the license files of each module, as lines PATH VERSION FILE.
while read -r path version folder; do
	if [ ! -d "$folder" ]; then
		printf 'copyright: the module cache has no %s: build the programs first\n' "$path" >&2
		exit 1
	fi
	find "$folder" -maxdepth 1 -type f \( -name 'LICEN[CS]E*' -o -name 'COPYING*' -o -name 'NOTICE*' \) -printf "$path $version %p\n" |
		sort | grep . || echo "$path $version -"
done >"$work/files"

# Recognize the licenses of all files at once: the program takes a second to start.
awk '$3 != "-" { print $3 }' "$work/files" | xargs go -C packaging/deb/tools run . | sort >"$work/licenses"

awk -f packaging/deb/copyright.awk packaging/deb/licenses "$work/licenses" "$work/files"
