"""Cohorts: the devices with given labels, and the policy they are seen or held to.

A policy is first observed on a cohort, which withdraws nothing, and enforced on it once
people have looked at who would fail.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from types import MappingProxyType

from attestation.errors import PolicyError
from attestation.policy import require_name, require_version

MAX_LABELS = 8  # of one cohort
MAX_OBSERVED = 4  # policies that one piece of evidence is held to beside its own


@unique
class Mode(StrEnum):
    """What a cohort's policy does to its devices."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Cohort:
    """Devices that have all ``labels``, and one version of an attestation policy.

    Raises:
        PolicyError: A name, version or number of labels that cannot be.
    """

    name: str
    labels: Mapping[str, str]
    policy: str
    version: int
    mode: Mode = Mode.OBSERVE

    def __post_init__(self) -> None:
        require_name(self.name)
        require_name(self.policy)
        require_version(self.version)
        # Without labels it would be everything that is or will ever be owned.
        if not 1 <= len(self.labels) <= MAX_LABELS:
            raise PolicyError(f"a cohort has 1 to {MAX_LABELS} labels")
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels belongs to it."""
        return self.labels.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Claims:
    """Which cohorts a device is in.

    ``enforcing`` all name one version of one policy, or the device is ``contested``:
    then nothing says which of them it is held to, so nothing is released to it.
    """

    enforcing: tuple[Cohort, ...] = ()
    observing: tuple[Cohort, ...] = field(default=())

    @property
    def contested(self) -> bool:
        return len({(one.policy, one.version) for one in self.enforcing}) > 1

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cohorts that enforce."""
        return tuple(one.name for one in self.enforcing)


def claims(labels: Mapping[str, str], cohorts: Iterable[Cohort]) -> Claims:
    """Which of ``cohorts`` a device with ``labels`` is in, by name.

    Of those that observe, the first MAX_OBSERVED: each costs a verdict.
    """
    mine = sorted((one for one in cohorts if one.has(labels)), key=lambda one: one.name)
    enforcing = tuple(one for one in mine if one.mode is Mode.ENFORCE)
    observing = tuple(one for one in mine if one.mode is Mode.OBSERVE)
    return Claims(enforcing, observing[:MAX_OBSERVED])
