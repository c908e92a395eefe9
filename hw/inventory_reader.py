"""Take a machine's inventory off /sys and /proc; never fails, and is bounded."""

from collections.abc import Mapping

from hw.inventory import MAX_DEVICES, Disk, Inventory, Nic, TpmMaker
from hw.log_text import printable
from hw.sysfiles import MAX_TEXT, SysFiles

_SECTOR = 512  # bytes, whatever the disk's own are: Linux's unit in /sys
_SKIPPED_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_SECURE_BOOT = (
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
)
_DMI = "sys/class/dmi/id"
_MODELS = ("model name", "Model", "Hardware", "cpu model", "uarch")


def take_inventory(files: SysFiles, tpm: TpmMaker | None = None) -> Inventory:
    """Look around; never fails, and reads a few hundred small files at most."""
    cpu, cpus = _cpu(files)
    return Inventory(
        files.text("sys/firmware/devicetree/base/model")
        or files.text(f"{_DMI}/product_name"),
        files.text("sys/firmware/devicetree/base/serial-number")
        or files.text(f"{_DMI}/product_serial"),
        cpu,
        cpus,
        _memory(files),
        _disks(files),
        _nics(files),
        _firmware(files),
        files.exists("sys/firmware/efi"),
        _secure_boot(files),
        tpm,
    )


def _pairs(files: SysFiles, path: str) -> list[tuple[str, str]]:
    """``name : value`` lines."""
    text = (files.raw(path) or b"").decode("utf-8", "replace")
    split = [line.partition(":") for line in text.splitlines()]
    return [(name.strip(), value.strip()) for name, mark, value in split if mark]


def _cpu(files: SysFiles) -> tuple[str | None, int]:
    pairs = _pairs(files, "proc/cpuinfo")
    said: Mapping[str, str] = dict(reversed(pairs))
    model = next((said[name] for name in _MODELS if said.get(name)), None)
    names = files.names("sys/devices/system/cpu")
    numbered = [one for one in names if one.startswith("cpu") and one[3:].isdigit()]
    counted = sum(name == "processor" for name, _ in pairs)
    return model and printable(model, MAX_TEXT), len(numbered) or counted


def _memory(files: SysFiles) -> int:
    total = dict(_pairs(files, "proc/meminfo")).get("MemTotal", "").split()
    if len(total) != 2 or not (total[0].isascii() and total[0].isdigit()):
        return 0
    return min(int(total[0][:15]) * 1024, (1 << 63) - 1)


def _disks(files: SysFiles) -> tuple[Disk, ...]:
    names = [
        one for one in files.names("sys/block") if not one.startswith(_SKIPPED_DISKS)
    ]
    return tuple(_disk(files, name) for name in names[:MAX_DEVICES])


def _disk(files: SysFiles, name: str) -> Disk:
    at = f"sys/block/{name}"
    sectors = min(files.number(f"{at}/size") or 0, 1 << 54)
    model = files.text(f"{at}/device/model") or files.text(f"{at}/device/name")
    rotates = files.number(f"{at}/queue/rotational") == 1
    return Disk(printable(name, 32), sectors * _SECTOR, model, rotates)


def _nics(files: SysFiles) -> tuple[Nic, ...]:
    """Those with a device behind them: no bridges, tunnels, or the loopback."""
    every = files.names("sys/class/net")
    real = [one for one in every if files.exists(f"sys/class/net/{one}/device")]
    return tuple(_nic(files, name) for name in real[:MAX_DEVICES])


def _nic(files: SysFiles, name: str) -> Nic:
    at = f"sys/class/net/{name}"
    lines = dict(_uevent(files, f"{at}/device/uevent"))
    driver = lines.get("DRIVER")
    return Nic(
        printable(name, 32),
        files.text(f"{at}/address"),
        driver and printable(driver, 32),
    )


def _uevent(files: SysFiles, path: str) -> list[tuple[str, str]]:
    text = (files.raw(path, 4096) or b"").decode("utf-8", "replace")
    split = [line.partition("=") for line in text.splitlines()]
    return [(name, value) for name, mark, value in split if mark]


def _firmware(files: SysFiles) -> str | None:
    fields = ("bios_vendor", "bios_version", "bios_date")
    said = [files.text(f"{_DMI}/{name}") for name in fields]
    return printable(" ".join(one for one in said if one), MAX_TEXT) or None


def _secure_boot(files: SysFiles) -> bool | None:
    """The variable's one byte stands behind four of attributes."""
    data = files.raw(_SECURE_BOOT, 16)
    return None if data is None or len(data) != 5 else data[4] == 1
