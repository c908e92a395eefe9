#!/bin/sh
# Fetch what a booting guest is made of: packages that are installed, and packages that
# are only unpacked, below build/boot. Says why where that is not to be had.
set -eu
cd "$(dirname "$0")/.."
sh requirements/setup.sh boot

listed() {
    sed -e 's/#.*//' requirements/unpacked-boot.txt
}

real_name() {
    # linux-image-cloud-amd64 is empty and depends on the newest kernel.
    apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | grep . || echo "$1"
}

root=build/boot/debian
if [ -f "$root/complete" ] && [ "$(cat "$root/complete")" = "$(listed | tr -d '\n')" ]; then
    exit 0
fi
rm -rf "$root"
mkdir -p "$root" build/boot/packages
rm -f build/boot/packages/*.deb
for name in $(listed); do
    echo "vouchgate: unpacking $(real_name "$name")"
    (cd build/boot/packages && apt-get download -qq "$(real_name "$name")" 2>/dev/null)
done
for package in build/boot/packages/*.deb; do
    dpkg-deb -x "$package" "$root"
done
listed | tr -d '\n' >"$root/complete"
