#!/usr/bin/env bash
# Build the virtual machine of the end-to-end tests: image.sh ARCH DIR
#
# The script makes DIR/vmlinuz, DIR/initrd.gz and DIR/disk.img from Debian packages only.
# ARCH is amd64, arm64 or armhf. Run it as root, because the files of the image have
# different owners.
#
# Debian's kernels have the GPIO character device and its tracepoints, but not the modules
# gpio-sim and, on some architectures, gpio-pca953x. The script builds both, and the module
# irq_sim that gpio-sim needs, from the kernel's source package. With i2c-stub, gpio-pca953x
# makes a chip without interrupts. The script uses the standard kernel, because Debian's
# cloud kernels have no GPIO support.
set -euo pipefail

arch=$1
out=$2
suite=bookworm
case $arch in
amd64) flavour=amd64 karch=x86 cross='' ;;
arm64) flavour=arm64 karch=arm64 cross=aarch64-linux-gnu- ;;
armhf) flavour=armmp karch=arm cross=arm-linux-gnueabihf- ;;
*)
	printf 'unknown architecture %s; use amd64, arm64 or armhf\n' "$arch" >&2
	exit 2
	;;
esac
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
say() { printf 'image %s: %s\n' "$arch" "$*"; }

if [ "$arch" != "$(dpkg --print-architecture)" ]; then # maintainer scripts of the foreign packages must run here
	[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
	interpreter=qemu-$([ "$arch" = arm64 ] && echo aarch64 || echo arm)
	[ -e "/proc/sys/fs/binfmt_misc/$interpreter" ] || update-binfmts --enable "$interpreter"
fi

say 'downloading the kernel, its headers and busybox'
package=$(apt-cache show "linux-image-$flavour:$arch" | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
release=${package#linux-image-}
version=$(apt-cache policy "$package:$arch" | sed -n 's/ *Candidate: //p')
mkdir debs unpacked
(cd debs && apt-get -qq download "$package:$arch=$version" "linux-headers-$release:$arch=$version" \
	"linux-headers-${release%-"$flavour"}-common=$version" "busybox-static:$arch")
for deb in debs/*.deb; do dpkg-deb -x "$deb" unpacked; done

say 'building gpio-sim and gpio-pca953x'
mkdir gpio-sim
tar -C gpio-sim --strip-components=3 -xJf /usr/src/linux-source-6.1.tar.xz \
	linux-source-6.1/drivers/gpio/{gpio-sim.c,gpio-pca953x.c,gpiolib.h} linux-source-6.1/kernel/irq/irq_sim.c
# Changes for a build outside the kernel tree: remove the device tables, which a 64-bit
# modpost refuses for 32-bit ARM, replace a function that the kernel does not export, and
# declare the license of irq_sim.
sed -i '/^MODULE_DEVICE_TABLE/d' gpio-sim/gpio-sim.c gpio-sim/gpio-pca953x.c
sed -i 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' gpio-sim/irq_sim.c
printf '#include <linux/module.h>\n#include <linux/irqdesc.h>\nMODULE_LICENSE("GPL");\n' >>gpio-sim/irq_sim.c
echo 'obj-m := gpio-sim.o irq_sim.o gpio-pca953x.o' >gpio-sim/Makefile
headers=$work/unpacked/usr/src/linux-headers-$release
sed -i "s#include /usr/src/#include $work/unpacked/usr/src/#" "$headers/Makefile"
mkdir -p unpacked/usr/lib
ln -sfn /usr/lib/linux-kbuild-6.1 unpacked/usr/lib/linux-kbuild-6.1
make -s -C "$headers" ARCH=$karch CROSS_COMPILE=$cross M="$work/gpio-sim" modules

say 'building the root file system'
# Do not install the kernel package: its script would build an initramfs, which is slow
# under emulation. polkitd and logind are needed by the method reboot.
mmdebstrap --quiet --variant=minbase --architectures="$arch" \
	--include=systemd,systemd-sysv,dbus,udev,kmod,polkitd,libpam-systemd,ca-certificates,iproute2 \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" root.tar
mkdir root
tar -C root -xf root.tar
modules=lib/modules/$release
mkdir -p "root/$modules/extra" "root/$modules/kernel"
cp unpacked/$modules/modules.{builtin,builtin.modinfo,order} "root/$modules/"
(cd "unpacked/$modules/kernel" && cp -r --parents fs/{autofs,configfs,ext4,jbd2,mbcache.ko} lib crypto net/{core,packet,ipv6} \
	drivers/{virtio,block,gpio,char} drivers/i2c/i2c-{stub,dev}.ko drivers/net/{virtio_net,net_failover}.ko "$work/root/$modules/kernel/" 2>/dev/null) || true
cp gpio-sim/*.ko "root/$modules/extra/"
depmod -b root "$release"

etc=root/etc
mkdir -p $etc/systemd/network $etc/systemd/system/multi-user.target.wants
printf '[Match]\nType=ether\n[Network]\nDHCP=yes\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' >$etc/systemd/network/10-ether.network
ln -sf /lib/systemd/system/systemd-networkd.service $etc/systemd/system/multi-user.target.wants/
for unit in apt-daily.timer apt-daily-upgrade.timer systemd-networkd-wait-online.service; do ln -sf /dev/null $etc/systemd/system/$unit; done
echo gateway >$etc/hostname
printf '127.0.0.1 localhost gateway\n' >$etc/hosts
echo '/dev/vda / ext4 rw,noatime 0 1' >$etc/fstab
: >$etc/machine-id
# The second disk is a tar archive with the guest program.
cat >$etc/systemd/system/guest.service <<'U'
[Unit]
Description=Guest program of the end-to-end tests
After=multi-user.target systemd-networkd.service
[Service]
ExecStart=/bin/sh -c 'mkdir -p /run/guest && cd /run/guest && tar -xf /dev/vdb && exec ./guest'
StandardOutput=journal+console
StandardError=journal+console
U
ln -sf ../guest.service $etc/systemd/system/multi-user.target.wants/guest.service
# ext4 has a journal, so synced files survive a power cut.
mke2fs -q -t ext4 -d root "$work/disk.img" 900M

say 'building the initrd'
mkdir -p initrd/{bin,m,dev,proc,new}
cp unpacked/bin/busybox initrd/bin/
: >initrd/m/order
for module in virtio_pci virtio_mmio virtio_blk crc32c_generic ext4; do
	modprobe -d root -S "$release" --show-depends "$module" | awk '$1 == "insmod" { print $2 }' | while read -r file; do
		name=${file##*/}
		[ -e "initrd/m/$name" ] || { cp "$file" initrd/m/ && echo "$name" >>initrd/m/order; }
	done
done
cat >initrd/init <<'S'
#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs dev /dev
$B mount -t proc proc /proc
while read module; do $B insmod /m/$module; done </m/order
i=0
while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do $B sleep 0.1; i=$((i + 1)); done
$B mount -t ext4 /dev/vda /new && $B umount /proc && $B mount -o move /dev /new/dev && exec $B switch_root /new /lib/systemd/systemd
S
chmod +x initrd/init
(cd initrd && find . | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -1) >initrd.gz
cp "unpacked/boot/vmlinuz-$release" vmlinuz

# Move disk.img last, because e2e.sh takes its presence as proof of a complete image.
mv vmlinuz initrd.gz "$out/"
mv disk.img "$out/"
say "done: $(du -h --apparent-size "$out/disk.img" | cut -f 1) disk, Linux $release"
