"""Policies: what a device's PCRs must be, and what a release asks for.

Both are values with a digest, so that an appraisal or decision can name exactly what it
was held against.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from attestation.binding import BindingClass
from attestation.ek_verdict import EkClass
from attestation.errors import PolicyError
from attestation.json_read import JsonObject
from attestation.measured_boot import MeasuredBoot, pcr_number

_DIGEST_SIZE = {"sha256": 64, "sha384": 96}  # hexadecimal digits
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEX = re.compile(r"[0-9a-f]+")
MAX_VALUES = 64  # accepted values per PCR
MAX_SECONDS = 30 * 24 * 3600
MAX_VERSION = (1 << 31) - 1
MAX_LABELS = 64
_MAX_LABEL = 256  # characters of a label's name or value
_NOT_PINNABLE = frozenset({10, 16, 23})  # IMA's, and those that software can reset
_ATTESTATION_KEYS = ("name", "version", "bank", "pcrs", "lease_seconds")
_OPTIONAL_KEYS = ("measured_boot", "runtime_policy")
_IDENTITY = ("factory_identity",)
_RUNTIME = re.compile(r"[0-9a-f]{64}")
_IMA_PCR = 10
_RELEASE_KEYS = (
    "name", "version", "accepted_ek", "accepted_binding", "max_age_seconds",
    "required_labels",
)  # fmt: skip


def require_name(name: str) -> None:
    """Refuse a name that is not 1 to 64 letters, digits, ``.``, ``_`` or ``-``."""
    if not _NAME.fullmatch(name):
        raise PolicyError(f"{name!r} is not a name: letters, digits, '.', '_', '-'")


def require_version(version: int) -> None:
    """Refuse a version that is not 1 to MAX_VERSION."""
    if not 1 <= version <= MAX_VERSION:
        raise PolicyError(f"versions go from 1 to {MAX_VERSION}")


def require_seconds(name: str, seconds: int) -> None:
    """Refuse a length of time that is not 1 s to MAX_SECONDS."""
    if not 1 <= seconds <= MAX_SECONDS:
        raise PolicyError(f"{name} goes from 1 to {MAX_SECONDS}")


def _holds_after_reset(values: tuple[str, ...]) -> bool:
    """Whether a PCR passes that nothing was extended into: all bits clear, or set."""
    return any(set(one) in ({"0"}, {"f"}) for one in values)


def canonical(document: Mapping[str, object]) -> bytes:
    """The JSON that digests are taken over: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def compared_pcr(bank: str, pcr: int) -> str:
    """How ``Appraisal.compared`` names one PCR: ``pcr:sha256:7``."""
    return f"pcr:{bank}:{pcr}"


def compared_boot(bank: str, pcr: int) -> str:
    """How it names the events of one PCR: ``boot:sha256:7``."""
    return f"boot:{bank}:{pcr}"


def compared_ima(bank: str) -> str:
    """How it names the kernel's list of what it ran and read: ``ima:sha256:10``."""
    return f"ima:{bank}:{_IMA_PCR}"


@dataclass(frozen=True, slots=True)
class AttestationPolicy:
    """PCR values a device must show: number -> accepted hexadecimal digests.

    ``measured_boot`` covers PCRs by the events that went into them instead; no PCR is
    held to both. ``runtime_policy`` is the SHA-256 of what IMA may measure, in
    Keylime's own form, and only stands beside one of the two. A policy that pins
    nothing is refused, and so is one that lets each PCR be as it is after a reset: both
    would accept any device.
    ``lease_seconds`` is how long a good appraisal under it holds.
    """

    name: str
    version: int
    pcrs: Mapping[int, tuple[str, ...]]
    bank: str = "sha256"
    lease_seconds: int = 900
    measured_boot: MeasuredBoot | None = None
    runtime_policy: str | None = None
    _digest: str = field(default="", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_name(self.name)
        if self.bank not in _DIGEST_SIZE:
            raise PolicyError(f"bank is one of {', '.join(_DIGEST_SIZE)}")
        if not self.pcrs and self.measured_boot is None:
            raise PolicyError("a policy pins at least one PCR")
        for pcr, values in self.pcrs.items():
            self._require_values(pcr, values)
        self._require_something()
        require_version(self.version)
        require_seconds("lease_seconds", self.lease_seconds)
        object.__setattr__(self, "pcrs", MappingProxyType(dict(self.pcrs)))

    def _require_something(self) -> None:
        """Refuse what any TPM would pass, or what says two things of one PCR."""
        if self.runtime_policy is not None and not _RUNTIME.fullmatch(
            self.runtime_policy
        ):
            raise PolicyError("runtime_policy is a SHA-256, 64 lower-case hex digits")
        boot = self.measured_boot
        if boot is None:
            if all(map(_holds_after_reset, self.pcrs.values())):
                raise PolicyError("a TPM into which nothing was measured would pass")
            return
        boot.require_bank(_DIGEST_SIZE[self.bank])
        if both := sorted(self.pcrs.keys() & set(boot.pcrs)):
            raise PolicyError(f"PCR {both[0]} is pinned by value and by its events")

    def _require_values(self, pcr: int, values: tuple[str, ...]) -> None:
        if not 0 <= pcr <= 23 or pcr in _NOT_PINNABLE:
            raise PolicyError(f"PCR {pcr} cannot be pinned")
        if not 1 <= len(values) <= MAX_VALUES:
            raise PolicyError(f"PCR {pcr} has 1 to {MAX_VALUES} accepted values")
        size = _DIGEST_SIZE[self.bank]
        if not all(len(one) == size and _HEX.fullmatch(one) for one in values):
            raise PolicyError(f"PCR {pcr}: values are {size} lower-case hex digits")

    @property
    def required(self) -> tuple[str, ...]:
        """What an appraisal under this policy must have compared."""
        values = [compared_pcr(self.bank, pcr) for pcr in sorted(self.pcrs)]
        boot = [compared_boot(self.bank, pcr) for pcr in self._covered]
        ima = [] if self.runtime_policy is None else [compared_ima(self.bank)]
        return (*values, *boot, *ima)

    @property
    def quoted(self) -> tuple[int, ...]:
        """The PCRs that a device must quote under it, ascending."""
        ima = () if self.runtime_policy is None else (_IMA_PCR,)
        return tuple(sorted({*self.pcrs, *self._covered, *ima}))

    @property
    def needs_logs(self) -> bool:
        """Whether PCR values alone cannot satisfy it."""
        return self.measured_boot is not None or self.runtime_policy is not None

    @property
    def _covered(self) -> tuple[int, ...]:
        return () if self.measured_boot is None else self.measured_boot.pcrs

    def to_json(self) -> dict[str, object]:
        """A part that is not used is left out: so digests of older policies stand."""
        document: dict[str, object] = {
            "name": self.name,
            "version": self.version,
            "bank": self.bank,
            "pcrs": {str(pcr): list(self.pcrs[pcr]) for pcr in sorted(self.pcrs)},
            "lease_seconds": self.lease_seconds,
        }
        if self.measured_boot is not None:
            document["measured_boot"] = self.measured_boot.to_json()
        if self.runtime_policy is not None:
            document["runtime_policy"] = self.runtime_policy
        return document

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, _ATTESTATION_KEYS, "policy", _OPTIONAL_KEYS)
        boot = fields.raw("measured_boot")
        pcrs = fields.text_lists("pcrs")
        runtime = fields.known("runtime_policy")
        return cls(
            fields.text("name"),
            fields.integer("version"),
            {pcr_number(key): values for key, values in pcrs.items()},
            fields.text("bank"),
            fields.integer("lease_seconds"),
            None if boot is None else MeasuredBoot.from_json(boot),
            fields.text("runtime_policy") if runtime else None,
        )

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits; taken once."""
        if not self._digest:
            taken = hashlib.sha256(canonical(self.to_json())).hexdigest()
            object.__setattr__(self, "_digest", taken)
        return self._digest


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """What a device must show before it is given its manifests.

    The defaults accept only what was proven: one TPM, known by its vendor or by the
    manufacturer's passport, and a good appraisal not older than 15 minutes.
    ``factory_identity`` asks for an IAK certificate of a maker that is trusted, too.
    """

    name: str = "default"
    version: int = 1
    accepted_ek: frozenset[EkClass] = frozenset(
        {EkClass.VENDOR_TRUSTED, EkClass.PASSPORT_TRUSTED}
    )
    accepted_binding: frozenset[BindingClass] = frozenset({BindingClass.TPM_BOUND})
    max_age_seconds: int = 900
    required_labels: Mapping[str, str] = field(default_factory=dict)
    factory_identity: bool = False

    def __post_init__(self) -> None:
        require_name(self.name)
        if EkClass.REFUSED in self.accepted_ek:
            raise PolicyError("a refused EK can never be accepted")
        if BindingClass.UNBOUND in self.accepted_binding:
            raise PolicyError("an unbound device can never be accepted")
        if not self.accepted_ek or not self.accepted_binding:
            raise PolicyError("a release policy accepts some EK and binding class")
        require_version(self.version)
        require_seconds("max_age_seconds", self.max_age_seconds)
        labels = MappingProxyType(dict(self.required_labels))
        if len(labels) > MAX_LABELS or any(
            not 0 < len(text) <= _MAX_LABEL for pair in labels.items() for text in pair
        ):
            raise PolicyError(f"{MAX_LABELS} labels of {_MAX_LABEL} characters at most")
        object.__setattr__(self, "required_labels", labels)

    def to_json(self) -> dict[str, object]:
        """What is not asked for is left out: so digests of older policies stand."""
        identity = {"factory_identity": True} if self.factory_identity else {}
        return {
            **identity,
            "name": self.name,
            "version": self.version,
            "accepted_ek": sorted(self.accepted_ek),
            "accepted_binding": sorted(self.accepted_binding),
            "max_age_seconds": self.max_age_seconds,
            "required_labels": dict(self.required_labels),
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, _RELEASE_KEYS, "release policy", _IDENTITY)
        asked = fields.known("factory_identity")
        try:
            ek = frozenset(EkClass(one) for one in fields.texts("accepted_ek"))
            names = fields.texts("accepted_binding")
            binding = frozenset(BindingClass(one) for one in names)
        except ValueError as error:
            raise PolicyError("the release policy names an unknown class") from error
        return cls(
            fields.text("name"),
            fields.integer("version"),
            ek,
            binding,
            fields.integer("max_age_seconds"),
            fields.text_map("required_labels"),
            fields.boolean("factory_identity") if asked else False,
        )

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(canonical(self.to_json())).hexdigest()
