"""What a machine may measure while it boots: the part of a policy about its event log.

A reference names each event of the PCRs it covers by type and digest. Words beside
them are for people and are never compared. Several references may stand side by side,
such as before and after an update: a boot must be one of them as a whole.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from attestation.errors import PolicyError
from attestation.json_read import JsonObject

MAX_BOOTS = 8
MAX_REFERENCES = 1024  # events of one PCR
MAX_SAYS = 512  # characters of the words beside an event
# 10 is the kernel's own list; 16 and 23 can be reset; 17 to 22 belong to a dynamic
# launch, of which a firmware's log does not speak.
COVERED = frozenset({*range(16)} - {10})
_TYPE = re.compile(r"EV_[A-Z0-9_]{1,60}|event type 0x[0-9a-f]{8}")
_HEX = re.compile(r"[0-9a-f]+")
_BOOT_KEYS = ("name", "pcrs")


@dataclass(frozen=True, slots=True)
class ReferenceEvent:
    """One event that may be measured: its type's name, its digest in hexadecimal."""

    type: str
    digest: str
    says: str

    def __post_init__(self) -> None:
        if not _TYPE.fullmatch(self.type) or not _HEX.fullmatch(self.digest):
            raise PolicyError(f"{self.type!r} with {self.digest!r} is no event")
        if len(self.says) > MAX_SAYS or not self.says.isprintable():
            raise PolicyError(f"an event says {MAX_SAYS} printable characters at most")

    @property
    def key(self) -> tuple[str, str]:
        """What is compared."""
        return self.type, self.digest


@dataclass(frozen=True, slots=True)
class ReferenceBoot:
    """A boot that is allowed: for each PCR covered, all the events that belong there.

    Neither their order nor how often one comes is compared.
    """

    name: str
    pcrs: Mapping[int, tuple[ReferenceEvent, ...]]

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= 128 or not self.name.isprintable():
            raise PolicyError("a reference boot has a name of 1 to 128 characters")
        if not self.pcrs or not COVERED.issuperset(self.pcrs):
            raise PolicyError("a reference boot covers some of the PCRs 0-9 and 11-15")
        for pcr, events in self.pcrs.items():
            if not 1 <= len(events) <= MAX_REFERENCES:
                raise PolicyError(f"PCR {pcr} has 1 to {MAX_REFERENCES} events")
        object.__setattr__(self, "pcrs", MappingProxyType(dict(self.pcrs)))

    @property
    def events(self) -> Iterator[ReferenceEvent]:
        for pcr in sorted(self.pcrs):
            yield from self.pcrs[pcr]

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "pcrs": {
                str(pcr): [[one.type, one.digest, one.says] for one in self.pcrs[pcr]]
                for pcr in sorted(self.pcrs)
            },
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, _BOOT_KEYS, "reference boot")
        listed = fields.mapping("pcrs")
        pcrs = JsonObject(listed, listed, "reference boot")
        return cls(
            fields.text("name"),
            {pcr_number(key): tuple(map(_event, pcrs.items(key))) for key in listed},
        )


@dataclass(frozen=True, slots=True)
class MeasuredBoot:
    """Boots that are allowed; all cover the same PCRs, so none is the easier one."""

    boots: tuple[ReferenceBoot, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.boots) <= MAX_BOOTS:
            raise PolicyError(f"1 to {MAX_BOOTS} reference boots")
        if len({frozenset(one.pcrs) for one in self.boots}) != 1:
            raise PolicyError("all reference boots cover the same PCRs")
        if len({one.name for one in self.boots}) != len(self.boots):
            raise PolicyError("reference boots have different names")

    @property
    def pcrs(self) -> tuple[int, ...]:
        """The PCRs covered, ascending."""
        return tuple(sorted(self.boots[0].pcrs))

    def require_bank(self, digits: int) -> None:
        """Refuse digests that are not of so many hexadecimal digits."""
        for boot in self.boots:
            if any(len(one.digest) != digits for one in boot.events):
                raise PolicyError(f"{boot.name}: digests have {digits} hex digits")

    def to_json(self) -> dict[str, object]:
        return {"boots": [one.to_json() for one in self.boots]}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, ("boots",), "measured boot")
        return cls(tuple(map(ReferenceBoot.from_json, fields.items("boots"))))


def pcr_number(text: str) -> int:
    """A PCR's number as JSON has it for a key; raises PolicyError."""
    if not re.fullmatch(r"0|[1-9][0-9]?", text):
        raise PolicyError(f"{text!r} is not a PCR number")
    return int(text)


def _event(item: object) -> ReferenceEvent:
    match item:
        case [str(kind), str(digest), str(says)]:
            return ReferenceEvent(kind, digest, says)
        case _:
            raise PolicyError("an event is a type, a digest and what it says")
