"""Vouchgate's reading of event logs, run by Keylime's verifier in its own process.

Keylime lets whoever runs a verifier say how logs are parsed and judged, in modules that
``measured_boot_imports`` names: the first that has a function is asked. So a boot is
judged on the pull channel, where the verifier alone sees the log, by the code that
judges it in the owner. Keylime itself holds the quote to the AK and the nonce, and the
PCRs quoted to those that ``bootlog_parse`` gives.

Nothing else of ours imports this module: it needs Keylime's.
Source: Keylime 7.14.3, ``keylime/mba/mba.py``.
"""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache

from keylime import config
from keylime.failure import Component, Failure
from keylime.mba.elchecking import policies, tests

from attestation.boot_check import nearest_boot
from attestation.errors import PolicyError
from attestation.keylime.boot_reference import (
    ENGINE_NAME,
    NOT_JUDGED,
    NOT_LISTED,
    REPLAYED,
    UNREADABLE,
    BootReference,
)
from hw.errors import HwError
from hw.eventlog import MAX_LOG, EventLog, read_event_log
from hw.eventlog_replay import replay

_LOG, _BANK = "log", "bank"  # members of what one function gives the other
_KEPT = 64  # references that are not read anew for each log

Parsed = tuple[dict[str, int], None, Mapping[str, object], Failure]


class _Replayed(policies.Policy):  # type: ignore[misc]  # Keylime has no types
    """Which PCRs Keylime is to hold to a log; judging is not done here."""

    def get_relevant_pcrs(self) -> frozenset[int]:
        return REPLAYED

    def refstate_to_test(self, _refstate: object) -> tests.Test:
        return tests.RejectAll("bootlog_evaluate judges")


policies.register(ENGINE_NAME, _Replayed())


def bootlog_parse(bootlog_b64: str | None, hash_alg: object) -> Parsed:
    """Read a log and replay it.

    Returns:
        The values of the PCRs it speaks of, by number in decimal; no boot aggregate, as
        a runtime policy has to list that itself; the log; why it is none.
    """
    failure = Failure(Component.MEASURED_BOOT)
    if not bootlog_b64:
        return {}, None, {}, failure
    bank = str(getattr(hash_alg, "value", hash_alg))
    try:
        log = read_event_log(_decoded(bootlog_b64))
        values = replay(log, bank)
    except (HwError, binascii.Error, ValueError) as error:
        _add(failure, UNREADABLE, f"the event log is not one: {error}")
        return {}, None, {}, failure
    numbers = {str(pcr): int.from_bytes(value) for pcr, value in values.items()}
    return numbers, None, {_LOG: log, _BANK: bank}, failure


def bootlog_evaluate(
    policy_data: str | None,
    measurement_data: Mapping[str, object],
    pcrsInQuote: set[int],
    agent_id: str,
) -> Failure:
    """Hold a log, of which Keylime has compared the PCRs given, to a reference."""
    del agent_id
    failure = Failure(Component.MEASURED_BOOT)
    try:
        reference = _reference(policy_data or "")
        log = _log_for(reference, measurement_data, frozenset(pcrsInQuote))
    except PolicyError as error:
        _add(failure, NOT_JUDGED, str(error))
        return failure
    if reference.measured is None:
        return failure  # shown to who asked, who judges it
    found = nearest_boot(reference.measured, reference.bank, log)
    if found.failures:
        _add(failure, NOT_LISTED, "; ".join(one.message for one in found.failures))
    return failure


@lru_cache(maxsize=_KEPT)
def _reference(text: str) -> BootReference:
    return BootReference.read(text)


def _log_for(
    reference: BootReference, parsed: Mapping[str, object], compared: frozenset[int]
) -> EventLog:
    log = parsed.get(_LOG)
    if not isinstance(log, EventLog):
        raise PolicyError("the policy needs the event log, none was sent")
    if reference.measured is None and not _pushes():
        raise PolicyError("the reference lists no boot")
    if parsed.get(_BANK) != reference.bank:
        raise PolicyError(f"the quote is not over the bank {reference.bank}")
    if missing := reference.pcrs - (compared & REPLAYED):
        raise PolicyError(f"PCR {min(missing)} was not held to the event log")
    return log


def _pushes() -> bool:
    """Whether who asked sees the log, too: a verifier keeps it on push alone."""
    return str(config.get("verifier", "mode", fallback="pull")) == "push"


def _decoded(text: str) -> bytes:
    if len(text) > 4 * (MAX_LOG // 3 + 2):
        raise ValueError(f"it is over {MAX_LOG} bytes")
    return base64.b64decode(text, validate=True)


def _add(failure: Failure, event: str, message: str) -> None:
    """Keylime puts the component's name before an event's id itself."""
    failure.add_event(event.partition(".")[2], {"message": message}, True)
