"""Vectors for message 10: every form of MfgInfo, taken and refused.

``python -m tests.support.mfg_info_vectors tests/vectors/mfginfo`` writes them.
Requests are those that go-fdo's device sent; forms of other devices are written after
their sources, around the same requests.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any

from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from tests.support.alterations import flip
from tests.support.transcripts import EC384, FSIMS, Transcript

RSA2048 = "rsa2048_asymkex2048_a128gcm"
RSA3072_PSS = "rsa3072pss_dhkexid15_a256gcm"
KNOWN = "00:1a:2b:3c:4d:5e"  # the name that has a preloaded key
MAC = bytes.fromhex("001a2b3c4d5e")
GO, C, JAVA, RS = "go-fdo", "client-sdk-fidoiot", "pri-fidoiot", "fdo-rs"


@dataclass(frozen=True)
class Case:
    """``expect`` is ``accepted`` or the FDO error code; ``item`` is MfgInfo."""

    expect: str
    form: str
    item: Any
    wrapped: bool = True

    @property
    def body(self) -> bytes:
        return cbor.encode([cbor.encode(self.item) if self.wrapped else self.item])


@cache
def recorded(name: str) -> tuple[Any, ...]:
    """The fields that go-fdo's device sent."""
    (info,) = cbor.array(cbor.decode(Transcript(name).one(MsgType.DI_APP_START).wire))
    return tuple(cbor.array(cbor.decode(cbor.bstr(info))))


def _cases() -> dict[str, Case]:
    kind, encoding, serial, info, csr = recorded(FSIMS)
    five = [kind, encoding, serial, info, csr]
    return {
        "go with P-256": Case("accepted", GO, five),
        "go with P-384": Case("accepted", GO, [*recorded(EC384)]),
        "go with RSA-2048": Case("accepted", GO, [*recorded(RSA2048)]),
        "go with RSA-3072 and PSS": Case("accepted", GO, [*recorded(RSA3072_PSS)]),
        "go not wrapped": Case("accepted", GO, five, wrapped=False),
        "c with a MAC address": Case("accepted", C, [*five, MAC]),
        "c with a toolkit and an empty MAC address": Case("accepted", C, [*five, b""]),
        "c with keys of the chip": Case(
            "500", C, [*five[:4], b"", MAC, b"chain", b"signature", b"prefix"]
        ),
        "java with all fields": Case("accepted", JAVA, [*five, MAC]),
        "java without a device info": Case(
            "accepted", JAVA, [kind, encoding, serial, csr]
        ),
        "java with nulls at the end": Case("accepted", JAVA, [*five, None, None]),
        "java without a request and its name unknown": Case(
            "101", JAVA, [kind, encoding, serial, info]
        ),
        "java without a request but a MAC address": Case(
            "101", JAVA, [kind, encoding, serial, info, MAC]
        ),
        "java without a request and its name known": Case(
            "accepted", JAVA, [kind, encoding, KNOWN, info]
        ),
        "rs with a name that is known": Case("accepted", RS, KNOWN),
        "rs not wrapped": Case("accepted", RS, KNOWN, wrapped=False),
        "rs with a name that is unknown": Case("101", RS, "SN-0000"),
        "rs with no name": Case("101", RS, ""),
        "rs with 129 characters": Case("100", RS, "x" * 129),
        "null": Case("500", "FDO 1.1", None, wrapped=False),
        "null in a byte string": Case("500", "FDO 1.1", None),
        "no serial number": Case("100", JAVA, [kind, encoding, csr]),
        "serial number after the request": Case(
            "100", JAVA, [kind, encoding, csr, serial, info]
        ),
        "key type left out": Case("100", JAVA, [serial, info, csr]),
        "key type only": Case("100", JAVA, [kind]),
        "a number": Case("100", "none", 7),
        "17 items": Case("100", C, [*five, *[b""] * 12]),
        "request of 4097 bytes": Case("100", GO, [*five[:4], b"\x30" + bytes(4096)]),
        "request cut short": Case("100", GO, [*five[:4], csr[:-1]]),
        "request with another signature": Case("101", GO, [*five[:4], flip(csr)]),
        "RSA request with another signature": Case(
            "101", GO, [*recorded(RSA2048)[:4], flip(recorded(RSA2048)[4])]
        ),
        "PSS request with another signature": Case(
            "101", GO, [*recorded(RSA3072_PSS)[:4], flip(recorded(RSA3072_PSS)[4])]
        ),
        "serial number that is not printable": Case(
            "101", GO, [kind, encoding, "SN\n1", info, csr]
        ),
        "key type EPID": Case("101", GO, [2, encoding, serial, info, csr]),
    }


CASES = _cases()


def vectors() -> dict[str, str]:
    """Return all files by name; their content is the same every time."""
    return {
        f"{name.replace(' ', '-').lower()}.txt": _text(name, case)
        for name, case in CASES.items()
    }


def _text(name: str, case: Case) -> str:
    source = "recorded from go-fdo 3c6ea7f" if case.form == GO else "written by hand"
    lines = [
        f"expect: {case.expect}",
        "message: 10",
        f"form: {case.form}",
        f"case: {name}",
        f"source: {source}, after the form of {case.form};"
        " made by tests/support/mfg_info_vectors.py",
        "",
        *wrap(case.body.hex(), 80),
    ]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Write every vector into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in vectors().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
