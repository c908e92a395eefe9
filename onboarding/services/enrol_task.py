"""The task that enrols a device of Keylime's verifiers anew: how it is planned."""

from onboarding.services.stores import Stores

KIND = "enrol"


def plan(stores: Stores, guid: bytes, now: int) -> None:
    """Enrol a device anew as soon as a worker is free."""
    stores.tasks.enqueue(KIND, guid.hex(), now)
