"""Logs of boots: the recorded ones, and small ones built event by event."""

import hashlib
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from hw.log_hashes import bank_name

FOLDER = Path(__file__).parents[1] / "vectors/boot"
RECORDED = ("direct-boot", "secure-boot")
NO_ACTION, SEPARATOR, IPL = 0x3, 0x4, 0xD
SIZES = {0x4: 20, 0xB: 32, 0xC: 48}
SPEC_ID = b"Spec ID Event03\0"


def recorded_log(name: str) -> bytes:
    return (FOLDER / f"{name}.evlog").read_bytes()


def recorded_pcrs(name: str) -> dict[int, bytes]:
    documents: dict[str, dict[str, str]] = json.loads(
        (FOLDER / "pcrs-sha256.json").read_text()
    )
    return {int(pcr): bytes.fromhex(value) for pcr, value in documents[name].items()}


def alterations() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "altered.json").read_text())
    return found


def altered(case: dict[str, Any]) -> bytes:
    log, at = recorded_log(case["log"]), case["at"]
    return log[:at] + bytes.fromhex(case["put"]) + log[at + case["cut"] :]


@dataclass(frozen=True)
class LogBuilder:
    """A log under construction; ``sizes`` None makes one of SHA-1 alone."""

    sizes: dict[int, int] | None
    body: bytes = b""

    @classmethod
    def agile(cls, *algs: int) -> Self:
        return cls({alg: SIZES[alg] for alg in algs or (0xB,)})

    def event(
        self, pcr: int, kind: int, data: bytes, measured: bytes | None = None
    ) -> Self:
        """Add an event whose digests are of ``measured``, of ``data`` if not given."""
        digests = b"".join(
            (b"" if self.sizes is None else struct.pack("<H", alg))
            + (bytes(size) if kind == NO_ACTION else _hash(alg, measured or data))
            for alg, size in (self.sizes or {0x4: 20}).items()
        )
        count = b"" if self.sizes is None else struct.pack("<I", len(self.sizes))
        head = struct.pack("<II", pcr, kind) + count + digests
        return replace(self, body=self.body + head + _sized(data))

    def build(self) -> bytes:
        if self.sizes is None:
            return self.body
        pairs = b"".join(struct.pack("<HH", *one) for one in self.sizes.items())
        data = SPEC_ID + bytes(4) + b"\0\2\0\2" + struct.pack("<I", len(self.sizes))
        return (
            struct.pack("<II20s", 0, NO_ACTION, b"")
            + _sized(data + pairs + b"\0")
            + self.body
        )


def _hash(alg: int, data: bytes) -> bytes:
    return hashlib.new(bank_name(alg), data, usedforsecurity=False).digest()


def _sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data
