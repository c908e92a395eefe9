"""What kind of machine this is, as its firmware, device tree and kernel tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hw.kernel_logs import UEFI_LOG
from hw.log_text import printable
from hw.sysfiles import MAX_TEXT, SysFiles

DMI_FIELDS = (
    "sys_vendor",
    "product_name",
    "product_family",
    "board_vendor",
    "board_name",
    "bios_vendor",
)
_DMI = "sys/class/dmi/id"
_DEVICE_TREES = ("sys/firmware/devicetree/base", "proc/device-tree")
_TPM = "sys/class/tpm/tpm0"
_BOOT_PCRS = range(10)  # that firmware and boot loader measure into
_MAX_COMPATIBLE = 32


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Facts to find a board by. They are the machine's own word, and prove nothing.

    ``measured`` is whether anything but zeros stands in a PCR from 0 to 9; None when
    the kernel does not show PCRs.
    """

    device_tree: tuple[str, ...] = ()  # compatible, the most specific first
    dmi: Mapping[str, str] = field(default_factory=dict)
    tpm: bool = False  # a TPM 2.0
    tpm_manufacturer: str | None = None  # such as ``IFX``
    measured: bool | None = None
    event_log: bool = False


def read_facts(files: SysFiles) -> MachineFacts:
    """Read them off a machine; never fails."""
    dmi = {name: files.text(f"{_DMI}/{name}") for name in DMI_FIELDS}
    return MachineFacts(
        _compatible(files),
        {name: value for name, value in dmi.items() if value},
        _has_tpm(files),
        None,
        _measured(files),
        bool(files.raw(str(UEFI_LOG), 1)),  # one that is empty, or not ours, shows none
    )


def _compatible(files: SysFiles) -> tuple[str, ...]:
    for tree in _DEVICE_TREES:
        data = files.raw(f"{tree}/compatible", 4096)
        if data:
            names = data.rstrip(b"\0").split(b"\0")[:_MAX_COMPATIBLE]
            return tuple(
                printable(one.decode("ascii", "replace"), MAX_TEXT) for one in names
            )
    return ()


def _has_tpm(files: SysFiles) -> bool:
    return files.exists(_TPM) and files.text(f"{_TPM}/tpm_version_major") in (None, "2")


def _measured(files: SysFiles) -> bool | None:
    """Kernels since 5.12 show PCRs; of the first bank there is."""
    for bank in ("sha256", "sha384", "sha1"):
        values = [files.text(f"{_TPM}/pcr-{bank}/{pcr}") for pcr in _BOOT_PCRS]
        if any(values):
            return any(set(value) - set("0") for value in values if value)
    return None
