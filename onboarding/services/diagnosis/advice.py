"""One plain sentence: why a device is where it is, and what to do next.

Rules are tried in order, from what stopped the device last back to what it would
need first; the first that fits speaks. Pure: the same facts, the same sentence.
"""

from collections.abc import Callable

from onboarding.protocol.binding_module import NAME as BINDING
from onboarding.services.diagnosis import runs
from onboarding.services.diagnosis.facts import Facts
from onboarding.services.diagnosis.words import Advice, Why, ago
from onboarding.services.settings import Role
from onboarding.services.to0_attempts import Attempt
from onboarding.store.devices import DeviceRecord
from onboarding.store.state import DeviceState
from ownership_vouchers.types import Guid

Rule = Callable[[Facts], Advice | None]


def advise(facts: Facts) -> Advice:
    """Return the one thing to tell about a device."""
    for rule in _RULES:
        found = rule(facts)
        if found is not None:
            return found
    return Advice(Why.UNKNOWN, _unknown(facts))


def _retired(facts: Facts) -> Advice | None:
    if facts.device is None or facts.device.facts.retired_at is None:
        return None
    since = ago(facts.now - facts.device.facts.retired_at)
    return Advice(
        Why.RETIRED,
        f"The device was retired {since}, so it is not onboarded any more; if that"
        " was a mistake, import its voucher again.",
    )


def _onboarded(facts: Facts) -> Advice | None:
    if facts.device is None or facts.device.facts.owned_at is None:
        return None
    if facts.to0.planned:
        return None  # its voucher is ours anew: it is to be onboarded again
    since = ago(facts.now - facts.device.facts.owned_at)
    failed = [one for one in facts.failed_modules if one[0] != BINDING]
    if failed:
        name, detail = failed[0]
        return Advice(
            Why.MODULE_FAILED,
            f"The device was onboarded {since}, but {name} failed:"
            f" {detail.rstrip('.') or 'it gave no reason'}. Mend that and onboard the"
            " device again, if it matters.",
        )
    unbound = dict(facts.failed_modules).get(BINDING)
    if unbound is None:
        told = f"The device was onboarded {since}{_attested(facts.device, facts.now)}"
        return Advice(Why.ONBOARDED, told)
    return Advice(
        Why.ONBOARDED,
        f"The device was onboarded {since}, and is not bound to a TPM:"
        f" {unbound.rstrip('.') or 'it gave no reason'}. So nothing that is gated is"
        " released to it.",
    )


def _attested(device: DeviceRecord, now: int) -> str:
    """What there is to be done, although it is onboarded."""
    facts = device.facts
    if facts.appraised_at is not None and not facts.appraisal_passed:
        return (
            ", but its last appraisal failed: `vouchgate fleet appraisals"
            f" {Guid(device.guid)}` says what did not fit its policy. Put that right,"
            " and have the device attest again."
        )
    if device.state(now) is DeviceState.STALE:
        return (
            ", but has not been appraised for as long as its lease runs: see that its"
            " agent runs and reaches us, and by `vouchgate attestation verifiers` that"
            " Keylime answers."
        )
    return "; there is nothing to do."


def _stranger(facts: Facts) -> Advice | None:
    seen = facts.sighting
    if facts.voucher is not None or seen is None:
        return None
    wanted = "voucher" if seen.message >= 60 else "registration"
    often = "once" if seen.count == 1 else f"{seen.count} times"
    doing = (
        "Import the voucher that ends in one of our keys"
        if seen.message >= 60
        else "Have its owner register it here (TO0)"
    )
    return Advice(
        Why.ASKED_IN_VAIN,
        f"The device asked {often} (message {seen.message}, last"
        f" {ago(facts.now - seen.last_at)}) under GUID {Guid(seen.guid)}, of which no"
        f" {wanted} is known here. {doing}.",
    )


def _blocked(facts: Facts) -> Advice | None:
    voucher = facts.voucher
    if voucher is None or voucher.blocked is None:
        return None
    if not facts.role.includes(Role.OWNER):
        return None
    return Advice(
        Why.KEY_BLOCKED,
        f"The voucher ends in owner key {voucher.owner}, which is"
        f" {voucher.blocked.rstrip('.')}. So nothing is signed with it: have it"
        " reinstated, or have whoever sold the device extend its voucher to another"
        " key of ours.",
    )


def _foreign(facts: Facts) -> Advice | None:
    voucher = facts.voucher
    if voucher is None or not facts.role.includes(Role.OWNER):
        return None
    if voucher.key_here and voucher.entries:
        return None
    if voucher.key_here:
        return Advice(
            Why.NOT_OUR_VOUCHER,
            "The voucher was never extended, so it names no owner: extend it to the"
            " owner's key.",
        )
    return Advice(
        Why.NOT_OUR_VOUCHER,
        f"The voucher is known, but its last entry names key {voucher.owner}, which is"
        " not here: put that key back into the key directory, or have whoever holds"
        " it extend the voucher to one of ours.",
    )


def _made_anew(facts: Facts) -> Advice | None:
    made = facts.made
    if made is None or made.superseded_by is None or facts.voucher is not None:
        return None
    return Advice(
        Why.MADE_ANEW,
        f"The device was made anew as {Guid(made.superseded_by)}, and this GUID's"
        " voucher is void: use the voucher of that one.",
    )


def _same_serial(facts: Facts) -> Advice | None:
    made = facts.made
    if facts.role is not Role.MANUFACTURING or made is None or not facts.same_serial:
        return None
    if made.settled_at is not None:
        return None
    others = ", ".join(str(Guid(one)) for one in facts.same_serial)
    return Advice(
        Why.SAME_SERIAL,
        f"The device was made here, but serial number {made.serial} also stands for"
        f" {others}: find out which device has it, delete the vouchers of the others,"
        " or settle the serial number if all of them are right.",
    )


def _made(facts: Facts) -> Advice | None:
    if facts.voucher is None or facts.role is not Role.MANUFACTURING:
        return None
    sold = (
        "was extended, so its new owner has to be asked"
        if facts.voucher.entries
        else "has no owner yet: extend it to the buyer's key, and send it there"
    )
    return Advice(Why.MADE, f"The device was made here; its voucher {sold}.")


def _no_rendezvous(facts: Facts) -> Advice | None:
    if facts.voucher is None or facts.voucher.servers or facts.live:
        return None
    return Advice(
        Why.NO_RENDEZVOUS,
        "The voucher names no rendezvous server that an owner could register at: the"
        " device must find this owner by other means, and has not been here yet.",
    )


def _unregistered(facts: Facts) -> Advice | None:
    """Nothing live anywhere: what the last attempt said is what is in the way."""
    if facts.voucher is None or facts.live:
        return None
    failed = [one for one in facts.to0.servers if one.error]
    if failed:
        told = "; ".join(_told(one, facts.now) for one in failed[:4])
        return Advice(
            Why.NOT_REGISTERED,
            f"No rendezvous server knows the device: {told}. Mend that; it is tried"
            " again by itself.",
        )
    said = facts.to0.error
    if facts.to0.planned:
        return Advice(
            Why.REGISTERING,
            "The device is about to be registered at"
            f" {', '.join(facts.voucher.servers)}: wait a moment. If this stays, no"
            f" replica does background work{', or it fails: ' * bool(said)}{said}.",
        )
    return Advice(
        Why.NOT_REGISTERED,
        "The voucher is known, but nobody registers the device: POST /api/v1/to0/GUID.",
    )


def _told(one: Attempt, now: int) -> str:
    """What one rendezvous server did when the device was to be registered there."""
    error = one.error.rstrip(".")
    if not one.failures:
        return f"{one.server} was not tried for it: {error}"
    often = f"{one.failures} times, last {ago(now - one.at)}"
    return f"{one.server} failed {often}: {error}"


def _denied(facts: Facts) -> Advice | None:
    if not facts.denied:
        return None
    return Advice(
        Why.DENIED,
        f"The device is registered here, and not sent on: {facts.denied} is denied."
        " `vouchgate rendezvous rules` says why, `vouchgate rendezvous forget` takes it"
        " back.",
    )


def _registered(facts: Facts) -> Advice | None:
    if not facts.live:
        return None
    servers = [one.server for one in facts.to0.servers if one.until > facts.now]
    at = ", ".join(servers) or "this rendezvous server"
    unknown = (
        "the device has not asked there"
        if facts.role.includes(Role.RENDEZVOUS)
        else "whether the device asked there, only that server knows"
    )
    return Advice(
        Why.NOT_SEEN,
        f"The device is registered at {at}; {unknown}, and it has not come here. Switch"
        " it on, and check that it reaches that server.",
    )


def _unknown(facts: Facts) -> str:
    named = str(Guid(facts.guids[0])) if facts.guids else f"serial {facts.serial!r}"
    return (
        f"Nothing is known of {named}: no voucher, and no device that asked. Check the"
        " GUID or serial number, then import the voucher."
    )


_RULES: tuple[Rule, ...] = (
    _retired,
    _blocked,
    runs.under_way,
    runs.stopped,
    runs.silent,
    _onboarded,
    runs.of_di,
    _made_anew,
    _foreign,
    _same_serial,
    _made,
    runs.refused_owner,
    _no_rendezvous,
    _unregistered,
    _denied,
    runs.asked_rendezvous,
    _registered,
    _stranger,
)
