"""The way of a device from its factory to now, step by step."""

from dataclasses import dataclass

from onboarding.services.api.answers.devices import DeviceOut


@dataclass(frozen=True, slots=True)
class Milestone:
    """One step: ``reached`` is good, warn, bad, or todo; ``at`` when, if known."""

    name: str
    reached: str
    at: int | None
    said: str


def way(
    device: DeviceOut, entries: int, registered_at: int | None, now: int
) -> tuple[Milestone, ...]:
    """Return the steps in order, also those that are still to come.

    Args:
        device: As the API shows it.
        entries: How often its voucher was extended before it was ours.
        registered_at: When a rendezvous server last took it, if one did.
    """
    sold = "sold once" if entries == 1 else f"sold {entries} times"
    steps = [
        Milestone("Made", "good", None, "at the factory, by DI"),
        Milestone("Sold", "good" if entries else "todo", None, sold),
        Milestone("Imported", "good", device["imported_at"], "the voucher names us"),
        _registered(device, registered_at, now),
        _step("Onboarded", device["owned_at"], "TO2 ended well"),
        _step("Bound", device["bound_at"], "three keys of one TPM"),
        _step("Enrolled", device["enrolled_at"], "expected to attest"),
        _attested(device),
        _released(device),
    ]
    if device["retired_at"] is not None:
        steps.append(Milestone("Retired", "warn", device["retired_at"], "not ours"))
    return tuple(steps)


def _step(name: str, at: int | None, said: str) -> Milestone:
    return Milestone(name, "todo" if at is None else "good", at, said)


def _registered(device: DeviceOut, at: int | None, now: int) -> Milestone:
    owned, until = device["owned_at"] is not None, device["registered_until"]
    if at is None:
        said = "came by itself" if owned else "at no rendezvous server"
        return Milestone("Registered", "good" if owned else "todo", None, said)
    if owned or (until is not None and until > now):
        return Milestone("Registered", "good", at, "by TO0")
    return Milestone("Registered", "warn", at, "ran out")


def _attested(device: DeviceOut) -> Milestone:
    at, state = device["appraised_at"], device["state"]
    if at is None:
        return Milestone("Attested", "todo", None, "no appraisal yet")
    if state == "failed" or (at and device["lease_expires"] is None):
        return Milestone("Attested", "bad", at, "the last appraisal failed")
    if state == "stale":
        return Milestone("Attested", "warn", at, "the lease ran out")
    return Milestone("Attested", "good", at, "the last appraisal passed")


def _released(device: DeviceOut) -> Milestone:
    withdrawn = device["withdrawn_at"]
    if withdrawn is not None:
        removal = f"taken back; removal {device['removal']}"
        return Milestone("Released", "warn", withdrawn, removal)
    return _step("Released", device["released_at"], "runs what it was given")
