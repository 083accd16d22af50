#!/usr/bin/env bash
# Builds the Debian packages: build.sh [ARCH] [FOLDER]. ARCH is amd64 (default), arm64
# or armhf; armhf programs are built for ARMv6, so that they run on every Raspberry Pi.
# FOLDER (default dist) gets the packages, a bill of materials for each program
# (CycloneDX) and SHA256SUMS.
#
# The same sources give the same bytes on every machine and at every time. Environment:
#   VERSION            version of the packages (default: see ../release/version.sh)
#   SOURCE_DATE_EPOCH  time of all files, in seconds since 1970 (default: see there)
#   PACKAGES           the packages to build (default: latchd latchctl latchhub)
#   TAGS               Go build tags for the programs
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

arch=${1:-amd64}
out=${2:-dist}
packages=${PACKAGES:-latchd latchctl latchhub}
tools=packaging/deb/tools/go.mod # versions of the tools

case $arch in
amd64) target=(GOARCH=amd64) ;;
arm64) target=(GOARCH=arm64) ;;
armhf) target=(GOARCH=arm GOARM=6) ;;
*)
	printf 'unknown architecture %s: use amd64, arm64 or armhf\n' "$arch" >&2
	exit 2
	;;
esac

read -r VERSION SOURCE_DATE_EPOCH < <(packaging/release/version.sh)
export VERSION SOURCE_DATE_EPOCH ARCH=$arch

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STAGE=$work/stage
mkdir -p "$STAGE/bin" "$STAGE/man" "$STAGE/completion" "$out"

programs() { # PACKAGE
	echo "$1"
	[ "$1" != latchhub ] || echo latchsim
}

# Build the programs for the packages' architecture.
for package in $packages; do programs "$package"; done | sed 's#^#./cmd/#' |
	xargs env CGO_ENABLED=0 GOOS=linux "${target[@]}" go build -trimpath -buildvcs=false ${TAGS:+-tags "$TAGS"} \
		-ldflags="-s -w -X main.version=$VERSION" -o "$STAGE/bin/"

# Build the programs for this machine too. They print their own completions and the
# example configuration. With the tag "man", latchctl prints its own man pages.
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/host/" ./cmd/latchd ./cmd/latchctl ./cmd/latchhub
CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags man -o "$work/host/latchctl-man" ./cmd/latchctl

# Man pages: those of latchctl are generated and dated SOURCE_DATE_EPOCH.
mkdir "$work/man"
"$work/host/latchctl-man" "$work/man"
cp packaging/man/*.[158] "$work/man"
for page in "$work"/man/*; do gzip -9nc "$page" >"$STAGE/man/${page##*/}.gz"; done

for program in latchctl latchhub; do
	for shell in bash zsh fish; do
		"$work/host/$program" completion "$shell" >"$STAGE/completion/$program.$shell"
	done
done
"$work/host/latchd" config --example >"$STAGE/latchd.toml"

for package in $packages; do
	mkdir "$STAGE/$package"
	awk -v package="$package" -v version="$VERSION" -v time="$SOURCE_DATE_EPOCH" \
		-f packaging/deb/changelog.awk CHANGELOG.md | gzip -9n >"$STAGE/$package/changelog.gz"
	mapfile -t files < <(programs "$package" | sed "s#^#$STAGE/bin/#")
	packaging/release/modules.sh "${files[@]}" | packaging/deb/copyright.sh >"$STAGE/$package/copyright"
	go tool -modfile="$tools" nfpm package --packager deb --config "packaging/deb/$package.yaml" --target "$out/"
	for file in "${files[@]}"; do
		env GOOS=linux "${target[@]}" packaging/release/bill.sh "$file" >"$out/${file##*/}_${VERSION}_$arch.cdx.json"
	done
done
packaging/release/sums.sh "$out"
