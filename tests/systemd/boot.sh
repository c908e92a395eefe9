# Boot systemd over a copy of this machine's files that is thrown away: sh boot.sh BASE
# SOURCE PACKAGES, in namespaces of its own. BASE is an empty directory.
set -eu
umask 022
base=$1 source=$2 packages=$3 root=$1/root
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# The program where the unit expects it, made of what is tested.
for part in source packages; do
  mkdir -p "$root/opt/vouchgate/$part"
done
mount --bind "$source" "$root/opt/vouchgate/source"
mount --bind "$packages" "$root/opt/vouchgate/packages"
cat > "$root/etc/systemd/system/trial.target" <<END
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
END
# Not by chroot: who is in one may make no user namespace, and the units do.
mkdir "$root/before"
cd "$root"
pivot_root . before
umount -l /before
mount --make-rshared / # as process 1 does where it is in no container: for credentials
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=trial.target --show-status=0 --log-target=journal
