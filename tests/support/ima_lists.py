"""IMA lists as a kernel writes them, entry by entry, in text and in binary."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What a kernel measured; ``spoilt`` makes it a violation."""

    name: bytes
    template: str = "ima-ng"
    algorithm: str = "sha256"
    digest: bytes = bytes(range(32))
    extra: bytes = b""
    pcr: int = 10
    spoilt: bool = False

    @property
    def data(self) -> bytes:
        """What the kernel hashes and extends."""
        if self.template == "ima":
            return self.digest + self.name.ljust(256, b"\0")
        fields = [self.algorithm.encode() + b":\0" + self.digest, self.name + b"\0"]
        if self.template in ("ima-sig", "ima-buf"):
            fields.append(self.extra)
        return b"".join(struct.pack("<I", len(one)) + one for one in fields)

    def line(self, bank: str = "sha1") -> bytes:
        """Its line of ``ascii_runtime_measurements``, as ``ima_fs.c`` prints it."""
        shown = [self.template.encode(), self._digest(), self.name]
        if self.template in ("ima-sig", "ima-buf"):
            shown.append(self.extra.hex().encode())
        head = b"%2d %s " % (self.pcr, self.hashed(bank).hex().encode())
        return head + b" ".join(shown) + b"\n"

    def _digest(self) -> bytes:
        hexed = self.digest.hex().encode()
        return (
            hexed if self.template == "ima" else self.algorithm.encode() + b":" + hexed
        )

    def hashed(self, bank: str) -> bytes:
        """The template hash: all zero for a violation."""
        found = _hash(bank, self.data)
        return bytes(len(found)) if self.spoilt else found

    def binary(self, bank: str = "sha1") -> bytes:
        """The same in ``binary_runtime_measurements``."""
        name = self.template.encode()
        head = struct.pack("<I", self.pcr) + self.hashed(bank)
        head += struct.pack("<I", len(name)) + name
        if self.template == "ima":
            return head + self.digest + struct.pack("<I", len(self.name)) + self.name
        return head + struct.pack("<I", len(self.data)) + self.data


def extended(entries: Iterable[Measured], bank: str, *, padded: bool = False) -> bytes:
    """PCR 10 as the TPM has it after all of these."""
    value = bytes(len(_hash(bank, b"")))
    for entry in entries:
        if entry.pcr != 10:
            continue
        if entry.spoilt:
            measured = b"\xff" * len(value)
        elif padded:
            measured = _hash("sha1", entry.data).ljust(len(value), b"\0")
        else:
            measured = _hash(bank, entry.data)
        value = _hash(bank, value + measured)
    return value


def _hash(bank: str, data: bytes) -> bytes:
    return hashlib.new(bank, data, usedforsecurity=False).digest()


ENTRIES = (
    Measured(b"boot_aggregate"),
    Measured(b"/usr/bin/bash"),
    Measured(
        b"/usr/lib/x86_64-linux-gnu/libc.so.6", "ima-sig", extra=b"\3\2\4key1\0\4sign"
    ),
    Measured(b"/usr/bin/unsigned", "ima-sig"),
    Measured(
        b"/var/log/open_for_writing", algorithm="sha1", digest=bytes(20), spoilt=True
    ),
    Measured(b"kexec-cmdline", "ima-buf", extra=b"root=/dev/vda1"),
    Measured(b"/elsewhere", pcr=9),
    Measured(b"/etc/f\xc3\xbcr_\xff", "ima-ngv2", "verity:sha256"),
    Measured(b"/old", "ima", digest=bytes(range(20))),
)
