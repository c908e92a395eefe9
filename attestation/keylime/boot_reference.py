"""What a verifier is told of the boots that are allowed, where it has to judge logs.

The document is the policy's own, with the bank of its digests. It is stored under its
digest, and read by ``boot_engine`` in the verifier's process.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Self

from attestation.errors import PolicyError
from attestation.json_read import JsonObject
from attestation.measured_boot import MeasuredBoot
from attestation.policy import canonical

ENGINE_MODULE = "attestation.keylime.boot_engine"  # measured_boot_imports
ENGINE_NAME = "vouchgate-events"  # measured_boot_policy_name
# PCRs whose log is whole: firmware and boot loader alone extend them. Into 11 to 13 and
# 15 systemd measures what no firmware's log tells of.
REPLAYED = frozenset({*range(10), 14})
NOT_LISTED = "measured_boot.not_listed"  # the event's id of a boot that is none of them
NOT_JUDGED = "measured_boot.not_judged"  # of one that the engine cannot judge
UNREADABLE = "measured_boot.unreadable"  # of a log that is none
_KEYS = ("bank", "boots")


@dataclass(frozen=True, slots=True)
class BootReference:
    """Boots that are allowed, by digests of one bank.

    ``measured`` None has the log shown and judges nothing: for push alone, where who
    asked sees it.
    """

    bank: str
    measured: MeasuredBoot | None

    @property
    def text(self) -> str:
        """As the verifier keeps it: canonical JSON."""
        said = {"boots": []} if self.measured is None else self.measured.to_json()
        return canonical({"bank": self.bank, **said}).decode()

    @property
    def digest(self) -> str:
        """SHA-256 of the text, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def pcrs(self) -> frozenset[int]:
        """The PCRs that it covers."""
        return frozenset(() if self.measured is None else self.measured.pcrs)

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises PolicyError: it is another document than ``text`` makes."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PolicyError(f"the boot reference is no JSON: {error}") from error
        fields = JsonObject(document, _KEYS, "boot reference")
        boots = {"boots": document["boots"]}
        measured = MeasuredBoot.from_json(boots) if boots["boots"] else None
        found = cls(fields.text("bank"), measured)
        if found.text != text:
            raise PolicyError("the boot reference is not written as we write it")
        return found
