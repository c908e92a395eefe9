"""UEFI variables as a log holds them: what is in those that decide what boots.

Source: TCG PC Client Platform Firmware Profile 1.06, section 10.2.6; UEFI Specification
2.10, sections 3.1.3 (load options) and 32.4.1 (signature lists).
"""

import hashlib
import re
from dataclasses import dataclass, field

from cryptography import x509

from hw.device_path import path_text
from hw.errors import StructureError
from hw.log_text import guid, printable, quoted, utf8, utf16
from hw.reader import Reader

MAX_VARIABLE = 1024 * 1024  # bytes; a dbx of some firmware goes towards 100 KiB
_MAX_NAME = 256  # characters
_MAX_LISTS = 64
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SHA256_LIST = "c1c41626-504c-4092-aca9-41f936934328"
_X509_LIST = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072"
_BOOT_ENTRY = re.compile(r"Boot[0-9A-F]{4}")
_SIGNATURES = ("PK", "KEK", "db", "dbx", "dbr", "dbt")
_FLAGS = ("SecureBoot", "SetupMode", "AuditMode", "DeployedMode")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: its name, its namespace, and what it holds."""

    name: str
    vendor: str  # GUID
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{printable(self.name)} = {_shown(self)}"


def read_variable(data: bytes) -> Variable:
    """Read one UEFI_VARIABLE_DATA; raises StructureError on any other shape."""
    reader = Reader(data, "UEFI variable", MAX_VARIABLE, "little")
    vendor, characters, size = guid(reader.take(16)), reader.uint(8), reader.uint(8)
    if characters > _MAX_NAME:
        raise StructureError(f"UEFI variable name of {characters} characters")
    name = utf16(reader.take(2 * characters))
    content = reader.take(min(size, MAX_VARIABLE))
    reader.end()
    return Variable(name, vendor, content)


def _shown(variable: Variable) -> str:
    name, content = variable.name, variable.content
    try:
        if name in _FLAGS and len(content) == 1:
            return {0: "off", 1: "on"}.get(content[0], content.hex())
        if name == "BootOrder" and len(content) % 2 == 0:
            return boot_order(content)
        if _BOOT_ENTRY.fullmatch(name) and variable.vendor == _GLOBAL:
            return boot_entry(content)
        if name in _SIGNATURES or name.startswith("Mok"):
            return signatures(content)
    except StructureError:
        pass  # then as bytes: a log that boots a machine may still be odd
    return _plain(content)


def _plain(content: bytes) -> str:
    text = utf8(content)
    if content and all(one.isprintable() or one == "\n" for one in text):
        return quoted(text, 120)
    if len(content) <= 32:
        return content.hex() or "empty"
    return f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}"


def boot_order(content: bytes) -> str:
    """``Boot0001, Boot0000``; ``empty`` when there is none."""
    numbers = [content[at : at + 2] for at in range(0, len(content), 2)]
    shown = [f"Boot{int.from_bytes(one, 'little'):04X}" for one in numbers[:32]]
    return ", ".join(shown + ["..."] * (len(numbers) > 32)) or "empty"


def boot_entry(content: bytes) -> str:
    """An EFI_LOAD_OPTION: its description, and what it starts."""
    reader = Reader(content, "boot entry", MAX_VARIABLE, "little")
    reader.take(4)  # attributes
    path_size = reader.uint(2)
    rest = reader.take(reader.left)
    end = next(
        (i for i in range(0, len(rest) - 1, 2) if rest[i : i + 2] == b"\0\0"), -1
    )
    if end < 0:
        raise StructureError("boot entry without the end of its description")
    path = rest[end + 2 : end + 2 + path_size]
    return f"{quoted(utf16(rest[:end]))} at {path_text(path)}"


def signatures(content: bytes) -> str:
    """What a signature database holds, or the one entry of it that let an image run."""
    if not content:
        return "empty"
    try:
        return _lists(content)
    except StructureError:
        return _entry(content)


def _lists(content: bytes) -> str:
    reader = Reader(content, "signature database", MAX_VARIABLE, "little")
    shown: list[str] = []
    hashed = 0
    while reader.left:
        if len(shown) == _MAX_LISTS:
            raise StructureError(f"more than {_MAX_LISTS} signature lists")
        kind, whole = guid(reader.take(16)), reader.uint(4)
        head, size = reader.uint(4), reader.uint(4)
        if size < 16 or whole < 28 + head or (whole - 28 - head) % size:
            raise StructureError("signature list of odd sizes")
        reader.take(head)
        count = (whole - 28 - head) // size
        body = reader.take(count * size)
        if kind == _SHA256_LIST:
            hashed += count
        else:
            shown += [
                _one(kind, body[at + 16 : at + size])
                for at in range(0, len(body), size)
            ]
    return "; ".join(shown + [f"SHA-256 digests: {hashed}"] * bool(hashed))


def _entry(content: bytes) -> str:
    """EFI_SIGNATURE_DATA: its owner, and a certificate."""
    if len(content) <= 16:
        raise StructureError("signature entry of too few bytes")
    return _one(_X509_LIST, content[16:])


def _one(kind: str, data: bytes) -> str:
    if kind != _X509_LIST:
        return f"{len(data)} bytes of type {kind}"
    fingerprint = hashlib.sha256(data).hexdigest()
    try:
        subject = x509.load_der_x509_certificate(data).subject.rfc4514_string()
    except ValueError as error:
        raise StructureError("not a certificate") from error
    return f"certificate {printable(subject, 200)} (SHA-256 {fingerprint})"
