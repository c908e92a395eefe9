"""The task that enrols a device of Keylime's verifiers anew: how it is planned."""

from attestation.policy import AttestationPolicy
from onboarding.services.stores import Stores

KIND = "enrol"
_INSTEAD = b"instead:"  # begins the payload of one that names a version


def plan(stores: Stores, guid: bytes, now: int) -> None:
    """Enrol a device anew as soon as a worker is free."""
    stores.tasks.enqueue(KIND, guid.hex(), now)


def plan_instead(
    stores: Stores, guid: bytes, policy: AttestationPolicy, now: int
) -> None:
    """The same, under this version of its policy, as the other one has failed."""
    stores.tasks.enqueue(KIND, guid.hex(), now, _INSTEAD + policy.digest().encode())


def instead(payload: bytes) -> str:
    """The digest in a task's payload; "" where it names none."""
    named = payload.startswith(_INSTEAD)
    return payload.removeprefix(_INSTEAD).decode() if named else ""
