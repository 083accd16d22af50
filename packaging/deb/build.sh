#!/usr/bin/env bash
# Builds the packages into a folder: build.sh [ARCH] [FOLDER], ARCH being Debian's
# amd64, arm64 or armhf (built for ARMv6, so that every Raspberry Pi runs it). Beside
# each package it puts the bill of materials, and SHA256SUMS of all that is there.
#
# The same sources give the same bytes, wherever and whenever they are built. What
# git says of them, where there is git, can be given: VERSION, and SOURCE_DATE_EPOCH
# for all times. PACKAGES builds only some, TAGS builds with Go build tags.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

arch=${1:-amd64}
out=${2:-dist}
packages=${PACKAGES:-latchd latchctl latchhub}
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

case $arch in
amd64) target=(GOARCH=amd64) ;;
arm64) target=(GOARCH=arm64) ;;
armhf) target=(GOARCH=arm GOARM=6) ;;
*)
	printf 'there is no architecture %s; there are amd64, arm64 and armhf\n' "$arch" >&2
	exit 2
	;;
esac

# A version of Debian's form: 1.2.3, or 1.2.3+5.gabc1234 five commits later, or
# 0~git20261124.120000.abc1234 before the first tag. Each is later than the one before.
if [ -z "${VERSION:-}" ]; then
	if described=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		VERSION=$(sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/' <<<"$described")
	else
		VERSION=0~git$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d.%H%M%S).$(git rev-parse --short=7 HEAD)
	fi
fi
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export VERSION SOURCE_DATE_EPOCH ARCH=$arch

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STAGE=$work/stage
mkdir -p "$STAGE/bin" "$STAGE/man" "$STAGE/completion" "$out"

programs() { # PACKAGE
	echo "$1"
	[ "$1" != latchhub ] || echo latchsim
}

# Programs, for the packages' architecture.
for package in $packages; do programs "$package"; done | sed 's#^#./cmd/#' |
	xargs env CGO_ENABLED=0 GOOS=linux "${target[@]}" go build -trimpath -buildvcs=false ${TAGS:+-tags "$TAGS"} \
		-ldflags="-s -w -X main.version=$VERSION" -o "$STAGE/bin/"

# Tools for this machine's architecture. The tag "man" turns latchctl into the
# generator of its own man pages.
go build -buildvcs=false -o "$work/tools/" ./cmd/latchd ./cmd/latchctl ./cmd/latchhub ./packaging/deb/papers
go build -buildvcs=false -tags man -o "$work/tools/latchctl-man" ./cmd/latchctl

# Man pages, compressed: the pages of latchctl are generated, with the date
# SOURCE_DATE_EPOCH; the others are in packaging/man.
mkdir "$work/man"
"$work/tools/latchctl-man" "$work/man"
cp packaging/man/*.[158] "$work/man"
for page in "$work"/man/*; do gzip -9nc "$page" >"$STAGE/man/${page##*/}.gz"; done

# Completions, which latchctl and latchhub print themselves.
for program in latchctl latchhub; do
	for shell in bash zsh fish; do
		"$work/tools/$program" completion "$shell" >"$STAGE/completion/$program.$shell"
	done
done
"$work/tools/latchd" config --example >"$STAGE/latchd.toml"

for package in $packages; do
	mkdir "$STAGE/$package"
	programs "$package" | sed "s#^#$STAGE/bin/#" | xargs "$work/tools/papers" --package "$package" \
		--version "$VERSION" --arch "$arch" --time "$SOURCE_DATE_EPOCH" --out "$STAGE/$package"
	gzip -9n "$STAGE/$package/changelog"
	go run "$nfpm" package --packager deb --config "packaging/deb/$package.yaml" --target "$out/"
	cp "$STAGE/$package/sbom.cdx.json" "$out/${package}_${VERSION}_$arch.cdx.json"
done
(cd "$out" && find . -maxdepth 1 \( -name '*.deb' -o -name '*.cdx.json' \) -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
