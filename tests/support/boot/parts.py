"""What a booting guest is made of, or why there is none here.

``make e2e-boot`` installs the programs, and unpacks the guest's kernel and boot loaders
below ``build/boot`` (requirements/boot.sh).
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
UNPACKED = REPOSITORY / "build/boot/debian"
PROGRAMS = (
    "cpio",
    "mcopy",
    "mke2fs",
    "mkfs.vfat",
    "qemu-system-x86_64",
    "sfdisk",
    "swtpm",
)
# In this order: each needs those before.
DRIVERS = (
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
)


class Unavailable(Exception):
    """No guest can be booted on this machine; says what is missing."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Files that a guest's firmware, disks and userland are made of."""

    firmware: Path  # OVMF with Secure Boot
    variables: Path  # its variables, with Microsoft's keys; to be copied
    shim: Path
    grub: Path
    kernel: Path
    drivers: tuple[Path, ...]  # in loading order; what the kernel has built in is not
    busybox: Path


def parts() -> Parts:
    """Find everything; raises Unavailable."""
    missing = [one for one in PROGRAMS if shutil.which(one, path=_path()) is None]
    if missing:
        raise Unavailable(f"not installed: {', '.join(missing)} (make e2e-boot)")
    kernel = _one(UNPACKED / "boot", "vmlinuz-*")
    modules = _one(UNPACKED / "lib/modules", "*") / "kernel"
    return Parts(
        _file(Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")),
        _file(Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")),
        _file(UNPACKED / "usr/lib/shim/shimx64.efi.signed"),
        _file(UNPACKED / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
        kernel,
        tuple(found for one in DRIVERS for found in modules.glob(f"{one}.ko*")),
        _file(Path(shutil.which("busybox") or "/bin/busybox")),
    )


def tool(name: str) -> str:
    """The path of a program, which may be one of an administrator's."""
    return shutil.which(name, path=_path()) or name


def _path() -> str:
    return ":".join(("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"))


def _file(path: Path) -> Path:
    if not path.is_file():
        raise Unavailable(f"there is no {path} (make e2e-boot)")
    return path


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise Unavailable(f"nothing like {pattern} in {folder} (make e2e-boot)")
    return found[-1]
