#!/usr/bin/env bash
# Makes a signed repository for apt of packages: apt-repo.sh DEBS REPO KEY adds the
# packages of the folder DEBS to the folder REPO, which any web server can serve,
# and signs it with the gpg key KEY (an id, a fingerprint or an address). Versions that
# are there already stay, so that a gateway can go back. It needs Debian's packages
# apt-utils and gnupg.
set -euo pipefail

if [ $# != 3 ]; then
	echo 'usage: apt-repo.sh DEBS REPO KEY' >&2
	exit 2
fi
mkdir -p "$2/pool/main"
debs=$(cd "$1" && pwd)
repo=$(cd "$2" && pwd)
key=$3
say() { printf 'apt-repo: %s\n' "$*"; }
if ! compgen -G "$debs/*.deb" >/dev/null; then
	say "there are no packages in $debs" >&2
	exit 1
fi

# A version that was given away is that version for good.
for deb in "$debs"/*.deb; do
	there=$repo/pool/main/${deb##*/}
	if [ -e "$there" ] && ! cmp -s "$deb" "$there"; then
		say "$there is there with other contents; a change needs another version" >&2
		exit 1
	fi
done
for deb in "$debs"/*.deb; do
	install -m 644 "$deb" "$repo/pool/main/"
	! [ -e "${deb%.deb}.cdx.json" ] || install -m 644 "${deb%.deb}.cdx.json" "$repo/pool/main/"
done

cd "$repo"
new=$(mktemp -d "$repo/.dists.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
architectures='amd64 arm64 armhf'
for arch in $architectures; do
	index=$new/stable/main/binary-$arch
	mkdir -p "$index"
	apt-ftparchive --arch "$arch" packages pool/main >"$index/Packages"
	gzip -9nk "$index/Packages"
done
apt-ftparchive -o APT::FTPArchive::Release::Origin=latchd -o APT::FTPArchive::Release::Label=latchd \
	-o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
	-o APT::FTPArchive::Release::Components=main -o "APT::FTPArchive::Release::Architectures=$architectures" \
	release "$new/stable" >"$new/Release"
mv "$new/Release" "$new/stable/"
sign() { gpg --batch --yes --quiet --local-user "$key" --digest-algo SHA256 "$@"; }
sign --clearsign --output "$new/stable/InRelease" "$new/stable/Release"
sign --armor --detach-sign --output "$new/stable/Release.gpg" "$new/stable/Release"
gpg --batch --armor --export "$key" >"$new/latchd.asc"
mv "$new/latchd.asc" latchd.asc

# What gateways see changes at once, and only when all is well.
rm -rf old
mkdir old
[ ! -e dists ] || mv dists old/
mv "$new" dists
trap - EXIT
rm -r old

cat >latchd.sources <<'S'
# As /etc/apt/sources.list.d/latchd.sources, with the address of this folder, and
# latchd.asc beside it as /etc/apt/keyrings/latchd.asc.
Types: deb
URIs: https://packages.example.com/latchd
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/latchd.asc
S
say "$repo has $(find pool/main -name '*.deb' | wc -l) packages, signed by $(gpg --batch --with-colons --list-keys "$key" | awk -F: '/^fpr/ { print $10; exit }')"
