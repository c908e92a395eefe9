"""One event of a boot in words that an operator can act on."""

from hw.errors import StructureError
from hw.eventlog import Event
from hw.eventlog_data import Coverage, coverage, data_text
from hw.eventlog_types import EventType
from hw.log_hashes import alg_of_bank
from hw.log_text import printable

_MAX = 400  # characters of what an event says
_SHORT = 16  # hexadecimal digits of a digest
_PREFIXES = (
    ("kernel_cmdline: ", "kernel command line"),
    ("module_cmdline: ", "boot module"),
    ("grub_cmd: ", "boot loader command"),
)
_NAMES: dict[int, str] = {
    EventType.EV_S_CRTM_VERSION: "firmware version",
    EventType.EV_S_CRTM_CONTENTS: "firmware",
    EventType.EV_EFI_PLATFORM_FIRMWARE_BLOB: "firmware code",
    EventType.EV_EFI_PLATFORM_FIRMWARE_BLOB2: "firmware code",
    EventType.EV_EFI_VARIABLE_DRIVER_CONFIG: "firmware setting",
    EventType.EV_EFI_VARIABLE_BOOT: "boot setting",
    EventType.EV_EFI_VARIABLE_BOOT2: "boot setting",
    EventType.EV_EFI_VARIABLE_AUTHORITY: "signature accepted by",
    EventType.EV_EFI_BOOT_SERVICES_APPLICATION: "program",
    EventType.EV_EFI_BOOT_SERVICES_DRIVER: "driver",
    EventType.EV_EFI_RUNTIME_SERVICES_DRIVER: "driver",
    EventType.EV_EFI_GPT_EVENT: "partition table",
    EventType.EV_EFI_GPT_EVENT2: "partition table",
    EventType.EV_EFI_ACTION: "firmware action",
    EventType.EV_SEPARATOR: "separator",
    EventType.EV_IPL: "boot loader's measurement",
    EventType.EV_EVENT_TAG: "kernel's measurement",
}


def measured_words(event: Event, bank: str) -> str:
    """``kernel command line: "root=/dev/sda2"``, in one bounded line.

    Where the digest is not of what is shown, its first digits tell two events apart.
    """
    what, text = _split(_NAMES.get(event.type, event.name), data_text(event))
    said = f"{what}: {text}" if text else what
    return printable(said, _MAX) + _proof(event, bank)


def _split(name: str, text: str) -> tuple[str, str]:
    for prefix, what in _PREFIXES:
        if text.startswith(f'"{prefix}'):
            return what, '"' + text.removeprefix(f'"{prefix}')
    return name, text


def _proof(event: Event, bank: str) -> str:
    try:
        if coverage(event, bank) is not Coverage.NONE:
            return ""
    except StructureError:
        pass  # a name must not fail: then the digest is shown
    return f" ({bank} {event.digests[alg_of_bank(bank)].hex()[:_SHORT]}...)"
