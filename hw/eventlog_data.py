"""What the data of an event says, and how much of it is really in the PCR.

Reading it is total: what is not understood is given as bytes, for a strange event must
not hide the others. Data is only a claim unless ``coverage`` finds it in the digest.
Source: TCG PC Client Platform Firmware Profile 1.06, sections 10.2 and 10.4.
"""

import hashlib
from collections.abc import Callable, Iterator
from enum import StrEnum, unique

from hw.device_path import path_text
from hw.efi_variables import read_variable
from hw.errors import StructureError
from hw.eventlog import MAX_LOG, Event
from hw.eventlog_types import EventType
from hw.log_hashes import alg_of_bank, digest
from hw.log_text import guid, quoted, utf8, utf16
from hw.reader import Reader

_COMMANDS = (b"grub_cmd: ", b"kernel_cmdline: ", b"module_cmdline: ")
_STUB_TAGS = {0x8F3B22EC: "initrd", 0x8F3B22ED: "command line"}  # Linux's EFI stub
_MAX_PARTITIONS = 128


@unique
class Coverage(StrEnum):
    """How much of an event's data its digest was taken of."""

    ALL = "all"
    CONTENT = "content"  # not the name in front of it
    NONE = "none"  # the data is only a description: of a file, of a blob


def coverage(event: Event, bank: str) -> Coverage:
    """Compare the digest of one bank with the data; raises StructureError for others.

    A digest of something else than the data is no fault: images are measured by their
    own digest, and the data says only where they lie.
    """
    measured = event.digests.get(alg_of_bank(bank))
    if measured == digest(bank, event.data):
        return Coverage.ALL
    if any(measured == digest(bank, part) for part in _contents(event)):
        return Coverage.CONTENT
    return Coverage.NONE


def _contents(event: Event) -> Iterator[bytes]:
    """What boot loader or firmware may have measured in place of the whole data."""
    for prefix in _COMMANDS:
        if event.type == EventType.EV_IPL and event.data.startswith(prefix):
            yield event.data[len(prefix) :].removesuffix(b"\0")
    if event.type in _VARIABLES:
        try:
            yield read_variable(event.data).content
        except StructureError:
            return


def describe(event: Event) -> str:
    """One line for an operator: number, type and what the data says."""
    text = data_text(event)
    return f"event {event.number} {event.name}" + (f" {text}" if text else "")


def data_text(event: Event) -> str:
    """What the data says, printable and bounded; its bytes when it is not understood.

    ``""`` for an event without data.
    """
    shown = _SHOWN.get(event.type)
    if shown is not None:
        try:
            return shown(event.data)
        except StructureError:
            pass  # see above: then as bytes
    return _bytes(event.data)


def _bytes(data: bytes) -> str:
    if len(data) <= 32:
        return data.hex()
    return f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"


def _text(data: bytes) -> str:
    if not data.strip(b"\0"):
        return data.hex()
    # systemd's boot loader writes UTF-16, grub and shim write UTF-8.
    wide = len(data) % 2 == 0 and data[1::2].count(0) > len(data) // 4
    return quoted(utf16(data) if wide else utf8(data))


def _crtm(data: bytes) -> str:
    return guid(data) if len(data) == 16 else _text(data)


def _separator(data: bytes) -> str:
    if data in (bytes(4), b"\xff" * 4):
        return "end of the firmware's part"
    if data == b"\x01\0\0\0":
        return "the firmware failed"
    return _bytes(data)


def _no_action(data: bytes) -> str:
    signature, _, rest = data[:16].partition(b"\0")
    name = quoted(utf8(signature), 32)
    if signature == b"StartupLocality" and len(data) == 17:
        return f"{name} {data[16]}"
    return name if not rest.strip(b"\0") else _bytes(data)


def _variable(data: bytes) -> str:
    return str(read_variable(data))


def _image(data: bytes) -> str:
    """UEFI_IMAGE_LOAD_EVENT."""
    reader = Reader(data, "image event", MAX_LOG, "little")
    reader.take(8)  # where it lies in memory, another place at each boot
    length = reader.uint(8)
    reader.take(8)
    path = reader.take(reader.uint(8))
    reader.end()
    return f"{path_text(path) if path else 'from memory'}, {length} bytes"


def _blob(data: bytes) -> str:
    reader = Reader(data, "firmware blob", MAX_LOG, "little")
    base, length = reader.uint(8), reader.uint(8)
    reader.end()
    return f"{length:#x} bytes at {base:#x}"


def _blob2(data: bytes) -> str:
    reader = Reader(data, "firmware blob", MAX_LOG, "little")
    name = quoted(utf8(reader.take(reader.uint(1))))
    return f"{name}, {_blob(reader.take(reader.left))}"


def _partitions(data: bytes) -> str:
    """UEFI_GPT_DATA."""
    reader = Reader(data, "partition table", MAX_LOG, "little")
    head = reader.take(92)
    count = reader.uint(8)
    if head[:8] != b"EFI PART" or not count <= _MAX_PARTITIONS:
        raise StructureError("not a partition table")
    names = [_partition(reader.take(128)) for _ in range(count)]
    reader.end()
    return f"disk {guid(head[56:72])}: {', '.join(names) or 'no partitions'}"


def _partition(data: bytes) -> str:
    name = utf16(data[56:]).split("\0", 1)[0]
    return f"{quoted(name, 36)} {guid(data[16:32])}"


def _tagged(data: bytes) -> str:
    reader = Reader(data, "tagged event", MAX_LOG, "little")
    number, text = reader.uint(4), reader.take(reader.uint(4))
    reader.end()
    shown = quoted(utf8(text))
    return f"{_STUB_TAGS[number]} {shown}" if number in _STUB_TAGS else shown


_VARIABLES = (
    EventType.EV_EFI_VARIABLE_DRIVER_CONFIG,
    EventType.EV_EFI_VARIABLE_BOOT,
    EventType.EV_EFI_VARIABLE_BOOT2,
    EventType.EV_EFI_VARIABLE_AUTHORITY,
)
_TEXTS = (
    EventType.EV_POST_CODE,
    EventType.EV_ACTION,
    EventType.EV_EFI_ACTION,
    EventType.EV_IPL,
    EventType.EV_IPL_PARTITION_DATA,
    EventType.EV_OMIT_BOOT_DEVICE_EVENTS,
    EventType.EV_EFI_HCRTM_EVENT,
    EventType.EV_COMPACT_HASH,
)
_IMAGES = (
    EventType.EV_EFI_BOOT_SERVICES_APPLICATION,
    EventType.EV_EFI_BOOT_SERVICES_DRIVER,
    EventType.EV_EFI_RUNTIME_SERVICES_DRIVER,
)
_SHOWN: dict[int, Callable[[bytes], str]] = {
    **dict.fromkeys(_VARIABLES, _variable),
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_IMAGES, _image),
    EventType.EV_SEPARATOR: _separator,
    EventType.EV_NO_ACTION: _no_action,
    EventType.EV_S_CRTM_VERSION: _crtm,
    EventType.EV_S_CRTM_CONTENTS: _text,
    EventType.EV_EFI_PLATFORM_FIRMWARE_BLOB: _blob,
    EventType.EV_EFI_PLATFORM_FIRMWARE_BLOB2: _blob2,
    EventType.EV_POST_CODE2: _blob2,
    EventType.EV_EFI_GPT_EVENT: _partitions,
    EventType.EV_EFI_GPT_EVENT2: _partitions,
    EventType.EV_EVENT_TAG: _tagged,
}
