"""Where Keylime's record is another than ours: pure, over what was read from both."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from attestation.keylime.results import Enrolment
from attestation.keylime.tpm_policy import PcrPolicy


@unique
class DriftKind(StrEnum):
    """What is not as it should be."""

    NOT_ENROLLED = "not-enrolled"  # ours, and the verifier does not know it
    OTHER_POLICY = "other-policy"  # the verifier holds it to another policy
    NOT_WANTED = "not-wanted"  # ours, and the verifier should not know it now
    NOT_REGISTERED = "not-registered"  # the registrar does not know it
    OTHER_KEYS = "other-keys"  # the registrar has another EK or AK of it
    STRANGE_AGENT = "strange-agent"  # in the verifier, and no device of ours
    STRANGE_REGISTRATION = "strange-registration"  # the same in the registrar
    STRANGE_RUNTIME_POLICY = "strange-runtime-policy"
    STRANGE_MEASURED_BOOT = "strange-measured-boot-policy"


STRANGE = frozenset(one for one in DriftKind if one.value.startswith("strange"))


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference; ``name`` is an agent's id, or a policy's name."""

    kind: DriftKind
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Expected:
    """One agent as we have it; ``policy`` None: the verifier should not know it.

    ``held_to`` is the digest of a policy of ours that says more than PCRs do;
    ``runtime`` and ``boots`` are what its parts for the logs are called, if it has any.
    ``kept`` are names of those that the verifier may have to hold it to next.
    """

    policy: PcrPolicy | None
    ek_public: bytes = field(repr=False)
    ak_public: bytes = field(repr=False)
    held_to: str = ""
    runtime: frozenset[str] = frozenset()
    boots: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """What Keylime has.

    ``keys`` are EK and AK of registered agents, of those that were looked at.
    """

    enrolled: Mapping[str, Enrolment]
    registered: frozenset[str]
    keys: Mapping[str, tuple[bytes, bytes]]
    runtime_policies: frozenset[str]
    measured_boot_policies: frozenset[str]


def compare(expected: Mapping[str, Expected], found: Found) -> tuple[Drift, ...]:
    """Every difference, those of our own agents first.

    Policies that ours need are there by the names that they were told by: what else
    is there is somebody else's.
    """
    ours = {n for one in expected.values() for n in one.runtime | one.kept}
    boots = {n for one in expected.values() for n in one.boots | one.kept}
    return (
        *(
            one
            for agent in sorted(expected)
            for one in _of_ours(agent, expected, found)
        ),
        *_strange(DriftKind.STRANGE_AGENT, found.enrolled.keys() - expected.keys()),
        *_strange(DriftKind.STRANGE_REGISTRATION, found.registered - expected.keys()),
        *_strange(
            DriftKind.STRANGE_RUNTIME_POLICY,
            found.runtime_policies - found.enrolled.keys() - ours,
        ),
        *_strange(
            DriftKind.STRANGE_MEASURED_BOOT,
            found.measured_boot_policies - found.enrolled.keys() - boots,
        ),
    )


def _of_ours(
    agent: str, expected: Mapping[str, Expected], found: Found
) -> Iterator[Drift]:
    ours, there = expected[agent], found.enrolled.get(agent)
    if ours.policy is None:
        if there is not None:
            said = "it is under no policy that this channel carries"
            yield Drift(DriftKind.NOT_WANTED, agent, said)
    elif there is None:
        yield Drift(DriftKind.NOT_ENROLLED, agent, "the verifier does not know it")
    else:
        said = _differs(ours, ours.policy, there, found)
        if said:
            yield Drift(DriftKind.OTHER_POLICY, agent, said)
    if agent not in found.registered:
        said = "the registrar does not know it; the verifier does not need it"
        yield Drift(DriftKind.NOT_REGISTERED, agent, said)
    keys = found.keys.get(agent)
    if keys is not None and keys != (ours.ek_public, ours.ak_public):
        said = "the registrar has another EK or AK than was bound"
        yield Drift(DriftKind.OTHER_KEYS, agent, said)


def _differs(ours: Expected, policy: PcrPolicy, there: Enrolment, found: Found) -> str:
    """How an agent is held to another policy than ours; "" if it is to the same."""
    if not same_policy(policy, there.tpm_policy):
        return f"the verifier has {there.tpm_policy[:300]}"
    if ours.held_to and ours.held_to != there.held_to:
        return "the verifier was not told what may boot and run by the policy in force"
    absent = (ours.runtime - found.runtime_policies) | (
        ours.boots - found.measured_boot_policies
    )
    return f"the verifier does not keep {min(absent)}" if absent else ""


def same_policy(policy: PcrPolicy, text: str) -> bool:
    """Whether a TPM policy as Keylime gives it back allows the same, PCR by PCR."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    if not isinstance(found, dict):
        return False
    found.pop("mask", None)  # Keylime's own, made of the others
    wanted = {str(pcr): set(values) for pcr, values in policy.items()}
    lists = all(isinstance(one, list) for one in found.values())
    texts = lists and all(isinstance(v, str) for one in found.values() for v in one)
    return texts and {pcr: set(values) for pcr, values in found.items()} == wanted


def _strange(kind: DriftKind, names: set[str] | frozenset[str]) -> Iterator[Drift]:
    for name in sorted(names):
        yield Drift(kind, name, "it is in Keylime, and not by us")
