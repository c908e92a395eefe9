"""A guest's two disks: the one it boots from, and the one its programs are on."""

import gzip
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.boot.parts import Parts, tool
from tests.support.boot.userland import build_userland

# Where the host is busy, the kernel finds no timer that ticks as it should.
COMMAND_LINE = "console=ttyS0 quiet panic=-1 no_timer_check"
_MIB = 1024 * 1024
_FIRST = 2048  # sector where the partition starts
_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

INIT = """\
#!/bin/sh
mount -t devtmpfs dev /dev
for one in {drivers}; do insmod /drivers/$one; done
until mount -t ext4 /dev/vdb /root 2>/dev/null; do sleep 0.1; done
mount -t devtmpfs dev /root/dev
exec switch_root /root /sbin/init
"""

GRUB = """\
set timeout=0
search --no-floppy --file --set=root /vmlinuz
linux /vmlinuz {command_line}
initrd /initrd.gz
boot
"""


def make_boot_disk(parts: Parts, disk: Path) -> None:
    """GPT with one EFI system partition: shim, grub, kernel, initrd, all as signed."""
    with disk.open("wb") as file:
        file.truncate(96 * _MIB)
    _run([tool("sfdisk"), "-q", str(disk)], f"label: gpt\nstart={_FIRST}, type={_ESP}")
    size = 96 * _MIB // 1024 - 2 * _FIRST // 2
    made = ["-F", "32", "--offset", str(_FIRST), str(disk), str(size)]
    _run([tool("mkfs.vfat"), *made])
    at = _partition(disk)
    _run([tool("mmd"), "-i", at, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"])
    with tempfile.TemporaryDirectory() as scratch:
        initrd = Path(scratch) / "initrd.gz"
        initrd.write_bytes(_initrd(parts, Path(scratch) / "root"))
        _put(disk, parts.shim, "/EFI/BOOT/BOOTX64.EFI")
        _put(disk, parts.grub, "/EFI/BOOT/grubx64.efi")
        _put(disk, parts.kernel, "/vmlinuz")
        _put(disk, initrd, "/initrd.gz")
    set_command_line(disk, COMMAND_LINE)


def set_command_line(disk: Path, words: str) -> None:
    """Have the kernel started with ``words``, as whoever holds the disk can."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "grub.cfg"
        config.write_text(GRUB.format(command_line=words))
        _put(disk, config, "/EFI/debian/grub.cfg")


def make_root_disk(parts: Parts, disk: Path, files: Mapping[str, bytes]) -> None:
    """Ext4 with the guest's Python, the device's programs, and ``files`` in /root."""
    with tempfile.TemporaryDirectory() as scratch:
        build_userland(parts, Path(scratch))
        for name, content in files.items():
            (Path(scratch) / "root" / name).write_bytes(content)
        with disk.open("wb") as file:
            file.truncate(1024 * _MIB)
        _run([tool("mke2fs"), "-q", "-t", "ext4", "-d", scratch, str(disk)])


def _initrd(parts: Parts, root: Path) -> bytes:
    for name in ("bin", "dev", "root", "drivers"):
        (root / name).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(parts.busybox.read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for name in ("sh", "mount", "insmod", "switch_root", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    for driver in parts.drivers:
        (root / "drivers" / driver.name).write_bytes(driver.read_bytes())
    names = " ".join(one.name for one in parts.drivers)
    (root / "init").write_text(INIT.format(drivers=names))
    (root / "init").chmod(0o755)
    listed = sorted(str(one.relative_to(root)) for one in root.rglob("*"))
    done = subprocess.run(  # noqa: S603 - our own words and paths
        [tool("cpio"), "-o", "-H", "newc", "--quiet"],
        input="\n".join(listed).encode(),
        cwd=root,
        capture_output=True,
        check=True,
    )
    return gzip.compress(done.stdout, mtime=0)


def _put(disk: Path, source: Path, target: str) -> None:
    command = [tool("mcopy"), "-o", "-i", _partition(disk)]
    _run([*command, str(source), f"::{target}"])


def _partition(disk: Path) -> str:
    return f"{disk}@@{_FIRST * 512}"


def _run(command: list[str], given: str | None = None) -> None:
    subprocess.run(  # noqa: S603 - our own words and paths
        command,
        input=given,
        text=True,
        check=True,
        capture_output=True,
        env={"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
    )
