#!/usr/bin/env bash
# The end-to-end tests: e2e.sh. ARCH is amd64 (the default), arm64 or armhf; RUN
# chooses tests by a pattern; CUTS is how often the power is cut (default 2);
# PREVIOUS is the commit whose package is the version before.
# The machine's image is built once, and kept in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=${ARCH:-amd64}
say() { printf 'e2e: %s\n' "$*"; }

# What it needs, as Debian's packages.
need=(apt-utils gnupg mmdebstrap e2fsprogs kmod cpio build-essential linux-source-6.1 linux-kbuild-6.1 qemu-utils qemu-user-static)
case $arch in
amd64) need+=(qemu-system-x86 ipxe-qemu seabios) ;;
arm64) need+=(qemu-system-arm ipxe-qemu binfmt-support arch-test gcc-aarch64-linux-gnu) ;;
armhf) need+=(qemu-system-arm ipxe-qemu binfmt-support arch-test gcc-arm-linux-gnueabihf) ;;
*)
	say "there is no architecture $arch; there are amd64, arm64 and armhf"
	exit 2
	;;
esac
missing=()
for package in "${need[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] || missing+=("$package")
done
foreign=''
if [ "$arch" != "$(dpkg --print-architecture)" ] && ! dpkg --print-foreign-architectures | grep -qx "$arch"; then
	foreign="dpkg --add-architecture $arch && "
fi
if [ ${#missing[@]} -gt 0 ] || [ -n "$foreign" ]; then
	install="${foreign}apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		say "install what is missing, on Debian 12, as root: $install"
		exit 1
	fi
	say "installing: $install"
	DEBIAN_FRONTEND=noninteractive sh -c "$install" >/dev/null
fi
if [ "$(id -u)" != 0 ]; then
	say 'the image needs root to be built: its files have other owners'
	exit 1
fi

recipe=$(sha256sum packaging/e2e/image.sh | cut -c 1-16)
image=${XDG_CACHE_HOME:-$HOME/.cache}/latchd-e2e/$arch-$recipe
if [ ! -e "$image/disk.img" ]; then
	say "building the image $image"
	# The kernel is looked up in the package lists.
	apt-cache show "linux-image-$([ "$arch" = armhf ] && echo armmp || echo "$arch"):$arch" >/dev/null 2>&1 || apt-get update >/dev/null
	packaging/e2e/image.sh "$arch" "$image"
fi

# The packages: this version, the one before, and a newer one that can be told to hang.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build() { # FOLDER [VARIABLE=VALUE...]
	env "${@:2}" packaging/deb/build.sh "$arch" "$work/$1" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
build debs
version=$(dpkg-deb -f "$work"/debs/latchd_*.deb Version)
build newer VERSION="$version+hang" TAGS=latchd_debug PACKAGES=latchd
(arch=armhf; build armv6 VERSION="$version" PACKAGES=latchd)
# The version before is the last one that was tagged, or the commit PREVIOUS; where there
# is neither it is this one under another number.
previous=${PREVIOUS:-$(git describe --tags --match 'v[0-9]*' --abbrev=0 HEAD^ 2>/dev/null || true)}
if [ -n "$previous" ]; then
	mkdir "$work/previous"
	git archive "$previous" | tar -x -C "$work/previous"
	before=${previous#v}
	[[ $before =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || before=0~before
	(GIT_DIR=$(git rev-parse --absolute-git-dir) && export GIT_DIR && cd "$work/previous" && build before VERSION="$before" PACKAGES=latchd)
	rm -f "$work"/before/latch{ctl,hub}_*
else
	build before VERSION=0~before PACKAGES=latchd
fi

# A repository of this version and of the one before, signed by a key of its own.
export GNUPGHOME=$work/gnupg
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-gen-key e2e@latchd.example ed25519 sign 1d
for folder in before debs; do packaging/apt-repo/apt-repo.sh "$work/$folder" "$work/repo" e2e@latchd.example >/dev/null; done
gpgconf --kill all

# The guest's own programs, on a disk of their own.
mkdir "$work/guest"
case $arch in
amd64) export GOARCH=amd64 ;;
arm64) export GOARCH=arm64 ;;
armhf) export GOARCH=arm GOARM=7 ;;
esac
CGO_ENABLED=0 GOOS=linux go build -o "$work/guest/guest" ./packaging/e2e/guest
CGO_ENABLED=0 GOOS=linux go test -c -tags gpiosim -o "$work/guest/gpio.test" ./actuator/gpio
unset GOARCH GOARM
tar -cf "$work/guest.tar" -C "$work/guest" .

run() {
	E2E_ARCH=$arch E2E_IMAGE=$image E2E_WORK=$work E2E_CUTS=${CUTS:-2} \
		go test -tags e2e -count=1 -timeout 60m -v ${RUN:+-run "$RUN"} ./packaging/e2e |
		grep --line-buffered -v '^=== \(RUN\|PAUSE\|CONT\|NAME\)'
}

say 'booting'
if ! run; then
	# Under emulation the guest's kernel now and then loses its timers and stands
	# still. That says nothing of latchd, so it is tried once more; all else is final.
	[ -e "$work/kernel-broke" ] || exit 1
	say "the guest's kernel broke down: once more"
	rm "$work/kernel-broke"
	run
fi
