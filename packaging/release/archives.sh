#!/usr/bin/env bash
# Builds archives of the programs for systems without Debian packages:
# archives.sh [FOLDER]. FOLDER (default dist) gets latchctl for macOS (tar.gz) and Windows
# (zip), all programs for Linux (tar.gz), a bill of materials for each program
# (CycloneDX) and SHA256SUMS.
#
# The same sources give the same bytes on every machine and at every time. VERSION,
# SOURCE_DATE_EPOCH and TARGETS (default: all, such as linux/amd64) override the version,
# the time and the selection.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

out=${1:-dist}
read -r VERSION SOURCE_DATE_EPOCH < <(packaging/release/version.sh)
export VERSION SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# Build the programs that run on this machine.
export CGO_ENABLED=0
build=(go build -trimpath -buildvcs=false)
"${build[@]}" -o "$work/host/" ./cmd/latchctl ./packaging/release/archive
"${build[@]}" -tags man -o "$work/host/latchctl-man" ./cmd/latchctl
mkdir "$work/man"
"$work/host/latchctl-man" "$work/man"

for target in ${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}; do
	system=${target%/*} machine=${target#*/}
	case $system in
	linux) programs=(latchctl latchd latchhub latchsim) name=latchd kind=tar.gz suffix='' ;;
	windows) programs=(latchctl) name=latchctl kind=zip suffix=.exe ;;
	*) programs=(latchctl) name=latchctl kind=tar.gz suffix='' ;;
	esac
	name=${name}_${VERSION}_${system}_$machine
	folder=$work/$name
	mkdir "$folder"

	GOOS=$system GOARCH=$machine "${build[@]}" -ldflags="-s -w -X main.version=$VERSION" -o "$folder/" "${programs[@]/#/./cmd/}"
	files=("${programs[@]/#/$folder/}")
	files=("${files[@]/%/$suffix}")

	cp LICENSE CHANGELOG.md "$folder/"
	packaging/release/modules.sh "${files[@]}" | packaging/deb/copyright.sh >"$folder/COPYRIGHT"
	if [ "$system" = windows ]; then
		"$work/host/latchctl" completion powershell >"$folder/latchctl.ps1"
	else
		mkdir "$folder/completion"
		for shell in bash zsh fish; do "$work/host/latchctl" completion "$shell" >"$folder/completion/latchctl.$shell"; done
		cp -r "$work/man" "$folder/man"
		[ "$system" != linux ] || cp packaging/man/*.[158] "$folder/man/"
	fi

	"$work/host/archive" "$folder" "$out/$name.$kind"
	for file in "${files[@]}"; do
		GOOS=$system GOARCH=$machine packaging/release/bill.sh "$file" >"$out/$(basename "$file" .exe)_${VERSION}_${system}_$machine.cdx.json"
	done
done

packaging/release/sums.sh "$out"
