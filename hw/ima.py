"""The kernel's list of what it measured while running: IMA, line by line or in binary.

Templates ``ima``, ``ima-ng``, ``ima-sig``, their v2 forms and ``ima-buf``. An entry's
template data is rebuilt from what the list shows and must have the template hash that
stands before it, so what is shown is what was measured.
Source: Linux, Documentation/security/IMA-templates.rst and ima_fs.c.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hw.errors import EvidenceError, StructureError
from hw.eventlog_types import MAX_PCR
from hw.log_hashes import digest
from hw.log_text import printable
from hw.reader import Reader

IMA_PCR = 10
MAX_LIST = 24 * 1024 * 1024  # bytes of one part of a list
MAX_ENTRIES = 200_000  # of one part
MAX_LINE = 16 * 1024
_MAX_NAME = 4096 + 64
_MAX_FIELD = 8 * 1024
_OLD_DIGEST, _OLD_NAME = 20, 256  # template "ima": SHA-1 or MD5, a padded name
_BANKS = {20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}
# Fields of each template after digest and name, all of them bytes in hexadecimal.
_TEMPLATES = {
    "ima": 0, "ima-ng": 0, "ima-ngv2": 0, "ima-sig": 1, "ima-sigv2": 1, "ima-buf": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """One entry. ``template_hash`` is all zero for a violation.

    A violation says that a file was opened for writing while it was measured, or the
    other way round: nobody knows what was read, and the PCR is spoilt for all to see.
    """

    number: int  # place in the whole list, from 0
    pcr: int
    template: str
    template_hash: bytes
    algorithm: str  # of the file's digest, such as ``sha256``; for v2 also ``verity:``
    digest: bytes
    name: (
        str  # path, or what a buffer is called; bytes that are not UTF-8 as surrogates
    )
    data: bytes = field(repr=False)  # template data: what was hashed
    extra: bytes = field(default=b"", repr=False)  # signature or buffer

    @property
    def violation(self) -> bool:
        """Whether it stands for a file that changed while it was read."""
        return not any(self.template_hash)

    def __str__(self) -> str:
        name = printable(self.name.encode("utf-8", "replace").decode())
        if self.violation:
            return f"IMA entry {self.number} violation {name}"
        return f"IMA entry {self.number} {self.algorithm}:{self.digest.hex()} {name}"


def read_ascii(text: bytes, first: int = 0) -> tuple[Measurement, ...]:
    """Read lines of ``ascii_runtime_measurements``.

    Args:
        text: Whole lines; the list from its entry number ``first`` on.

    Raises:
        StructureError: A line is not one of a template that we know, or over a bound.
        EvidenceError: An entry is not what its template hash was taken of.
    """
    if len(text) > MAX_LIST:
        raise StructureError(f"IMA list of {len(text)} bytes, limit {MAX_LIST}")
    if text and not text.endswith(b"\n"):
        raise StructureError("the IMA list ends within a line")
    lines = text.split(b"\n", MAX_ENTRIES + 1)[: MAX_ENTRIES + 1]
    if len(lines) > MAX_ENTRIES:
        raise StructureError(f"IMA list of more than {MAX_ENTRIES} entries at once")
    return _checked(_line(line, first + at) for at, line in enumerate(lines[:-1]))


def _checked(entries: Iterable[Measurement]) -> tuple[Measurement, ...]:
    found = tuple(entries)
    for entry in found:
        bank = _BANKS[len(entry.template_hash)]
        if not entry.violation and digest(bank, entry.data) != entry.template_hash:
            raise EvidenceError(f"{entry} is not what its template hash was taken of")
    return found


def _line(line: bytes, number: int) -> Measurement:
    if len(line) > MAX_LINE:
        raise StructureError(f"IMA entry {number} has {len(line)} bytes")
    parts = line.removeprefix(b" ").split(b" ")  # a PCR below 10 has a blank before it
    if len(parts) < 5 or not parts[0].isdigit() or len(parts[0]) > 2:
        raise StructureError(f"IMA entry {number} is no line of an IMA list")
    template = parts[2].decode("ascii", "replace")
    extras = _extra_fields(template, number)
    # The kernel writes a blank before an absent signature, and an underscore for each
    # blank in a name: in what it measures, too.
    if len(parts) != 5 + extras:
        raise StructureError(f"IMA entry {number} has {len(parts)} fields")
    algorithm, _, hexed = parts[3].rpartition(b":")
    extra = _hex(parts[5], number) if extras else b""
    return _measurement(
        number,
        int(parts[0]),
        template,
        _hex(parts[1], number),
        algorithm.decode("ascii", "replace"),
        _hex(hexed, number),
        parts[4],
        extra,
    )


def _extra_fields(template: str, number: int) -> int:
    if template not in _TEMPLATES:
        raise StructureError(
            f"IMA entry {number} has template {printable(template, 32)}; known are"
            f" {', '.join(_TEMPLATES)}"
        )
    return _TEMPLATES[template]


def _hex(text: bytes, number: int) -> bytes:
    try:
        found = bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        raise StructureError(f"IMA entry {number} has digits that are not") from error
    if len(found) * 2 != len(text) or len(found) > _MAX_FIELD:
        raise StructureError(f"IMA entry {number} has a field of {len(found)} bytes")
    return found


def _measurement(
    number: int,
    pcr: int,
    template: str,
    template_hash: bytes,
    algorithm: str,
    file_digest: bytes,
    name: bytes,
    extra: bytes,
) -> Measurement:
    if pcr > MAX_PCR or len(template_hash) not in _BANKS:
        raise StructureError(
            f"IMA entry {number} is for PCR {pcr} with a hash of {len(template_hash)}"
            " bytes"
        )
    if len(name) > _MAX_NAME or b"\0" in name:
        raise StructureError(f"IMA entry {number} has no path for a name")
    if template == "ima":
        if algorithm or len(file_digest) != _OLD_DIGEST or len(name) >= _OLD_NAME:
            raise StructureError(f"IMA entry {number} is not of template ima")
        algorithm, data = "sha1", file_digest + name.ljust(_OLD_NAME, b"\0")
    else:
        data = _fields(algorithm, file_digest, name)
        data += _sized(extra) if _TEMPLATES[template] else b""
    shown = name.decode("utf-8", "surrogateescape")
    return Measurement(
        number, pcr, template, template_hash, algorithm, file_digest, shown, data, extra
    )


def _fields(algorithm: str, file_digest: bytes, name: bytes) -> bytes:
    prefix = f"{algorithm}:".encode() + b"\0" if algorithm else b""
    return _sized(prefix + file_digest) + _sized(name + b"\0")


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def read_binary(
    data: bytes, first: int = 0, hash_size: int = 20
) -> tuple[Measurement, ...]:
    """Read ``binary_runtime_measurements``, as little-endian machines write it.

    Args:
        hash_size: Bytes of a template hash: 20, or 32 for
            ``binary_runtime_measurements_sha256``.

    Raises:
        StructureError, EvidenceError: As ``read_ascii``.
    """
    reader = Reader(data, "IMA list", MAX_LIST, "little")
    entries: list[Measurement] = []
    while reader.left:
        if len(entries) == MAX_ENTRIES:
            raise StructureError(f"IMA list of more than {MAX_ENTRIES} entries at once")
        entries.append(_binary_entry(reader, first + len(entries), hash_size))
    return _checked(entries)


def _binary_entry(reader: Reader, number: int, hash_size: int) -> Measurement:
    pcr, template_hash = reader.uint(4), reader.take(hash_size)
    template = _counted(reader, 32).decode("ascii", "replace")
    extras = _extra_fields(template, number)
    if template == "ima":
        file_digest, name = reader.take(_OLD_DIGEST), _counted(reader, _OLD_NAME)
        algorithm, extra = "", b""
    else:
        size = reader.uint(4)
        inner = Reader(_take(reader, size, MAX_LINE), "IMA entry", MAX_LINE, "little")
        algorithm, file_digest = _digest_field(_counted(inner, _MAX_FIELD), number)
        name = _counted(inner, _MAX_NAME)
        if name[-1:] != b"\0":
            raise StructureError(f"IMA entry {number} has a name without an end")
        name = name[:-1]
        extra = _counted(inner, _MAX_FIELD) if extras else b""
        inner.end()
    return _measurement(
        number, pcr, template, template_hash, algorithm, file_digest, name, extra
    )


def _digest_field(data: bytes, number: int) -> tuple[str, bytes]:
    """``sha256:``, a NUL and the digest; of some violations, the digest alone."""
    head, end, rest = data.partition(b":\0")
    if not end:
        return "", data
    if len(head) > 32:
        raise StructureError(f"IMA entry {number} has no hash of a file")
    return head.decode("ascii", "replace"), rest


def _counted(reader: Reader, limit: int) -> bytes:
    return _take(reader, reader.uint(4), limit)


def _take(reader: Reader, size: int, limit: int) -> bytes:
    if size > limit:
        raise StructureError(f"IMA list: field of {size} bytes, limit {limit}")
    return reader.take(size)
