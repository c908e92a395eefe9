"""The end of TO2: the device, its voucher and its TPM, in one durable commit."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from attestation.appraisal import Channel
from attestation.binding import Binding
from hw.profiles import profiles
from onboarding.protocol.binding_module import NAME as BINDING
from onboarding.protocol.errors import MessageRefused, RequiredModuleFailed
from onboarding.protocol.inventory_module import NAME as INVENTORY
from onboarding.protocol.modules import ModuleResult
from onboarding.protocol.step import State, TakeOwnership
from onboarding.protocol.to2_states import Serving
from onboarding.services import rows, to0
from onboarding.services.context import Context
from onboarding.services.owned import Owned, OwnedVouchers
from onboarding.services.serviceinfo import receipts
from onboarding.services.voucher_records import record_of
from onboarding.store.bindings import BindingRecord
from onboarding.store.deliveries import DeliveryRecord
from onboarding.store.errors import Conflict, EkInUse
from onboarding.store.events import Event
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid


class TakingOver:
    """Commits finished runs, and writes down why others did not finish."""

    def __init__(self, context: Context, vouchers: OwnedVouchers) -> None:
        self._context = context
        self._vouchers = vouchers

    def commit(self, taken: TakeOwnership, now: int, run_id: bytes) -> None:
        """Make the device ours; the same run again changes nothing.

        Raises:
            MessageRefused: Its TPM speaks for another device of ours already, or it
                was sold while TO2 went on.
        """
        owned = self._vouchers.lately(taken.guid)
        new = taken.new_voucher
        serial = "" if owned is None else owned.serial
        # A device that keeps its credential finds us by the same voucher next time.
        ends = None if new is None else (to0.KIND, taken.guid.hex)
        try:
            self._context.stores.vouchers.take_ownership(
                taken.guid.raw,
                None if new is None else record_of(new, serial, now),
                _said(taken),
                receipts.encode(taken.plan, _receipted(taken.results)),
                now,
                run_id=run_id,
                binding=_binding(taken, owned, now),
                also=_refusals(taken.guid, taken.results, now),
                ends=ends,
                credential=taken.credential.value,
                uploads=receipts.contents(_receipted(taken.results)),
                transcript=taken.transcript,
            )
        except EkInUse as error:
            self._refuse_shared_tpm(taken, error, now)
        except Conflict as error:
            self._refuse(taken, str(error), (), now)
            raise MessageRefused(str(error)) from error

    def failed(
        self, state: State, where: str, error: Exception | None, now: int
    ) -> None:
        """Tell the operator in full what the device is told in a code."""
        guid: Guid | None = getattr(state, "guid", None)
        if guid is None:
            return
        why = str(error or "")[:2000]
        event = _event("ownership.refused", guid, {"at": where, "error": why}, now)
        exchange = state.exchange if isinstance(state, Serving) else None
        if exchange is None:
            self._context.stores.events.append(event)
            return
        refused: tuple[Event, ...] = ()
        results = _receipted(exchange.results)
        if isinstance(error, RequiredModuleFailed):
            results = _receipted(error.results)
            refused = _refusals(guid, results, now)
        kept = receipts.encode(exchange.plan, results, where, why)
        self._keep(guid, kept, results, (*refused, event), now)

    def _refuse(
        self, taken: TakeOwnership, why: str, events: tuple[Event, ...], now: int
    ) -> None:
        """Keep the receipts of a run that came to its last message, and no further."""
        results = _receipted(taken.results)
        kept = receipts.encode(taken.plan, results, "message 70", why)
        self._keep(taken.guid, kept, results, events, now)

    def _keep(
        self,
        guid: Guid,
        kept: bytes,
        results: Sequence[ModuleResult],
        events: tuple[Event, ...],
        now: int,
    ) -> None:
        run = DeliveryRecord(secrets.token_bytes(16), guid.raw, now, False, kept)
        contents = receipts.contents(results)
        self._context.stores.deliveries.failed(run, contents, events)

    def _refuse_shared_tpm(
        self, taken: TakeOwnership, error: EkInUse, now: int
    ) -> NoReturn:
        names = ", ".join(str(Guid(one)) for one in error.guids[:4])
        told = {
            "code": "ek-of-another-device",
            "sentence": f"this TPM is bound to {names} already",
            "remedy": "retire the other device, if this one takes its place",
        }
        event = _event("binding.refused", taken.guid, told, now)
        self._refuse(taken, told["sentence"], (event,), now)
        raise MessageRefused(told["sentence"]) from error


def _receipted(results: Sequence[ModuleResult]) -> tuple[ModuleResult, ...]:
    """All but the inventory: it is no act of ours, and devices may do without it."""
    return tuple(one for one in results if one.name != INVENTORY)


def _said(taken: TakeOwnership) -> bytes:
    """What the device said of itself: devmod, and its inventory if it told one."""
    said = dict(taken.devmod)
    for result in taken.results:
        if result.name == INVENTORY and result.ok:
            said["inventory"] = cbor.decode(cbor.bstr(result.facts["inventory"]))
    return cbor.encode(said)


def _refusals(
    guid: Guid, results: Iterable[ModuleResult], now: int
) -> tuple[Event, ...]:
    """A device that is not bound is an event, whether or not TO2 went on."""
    return tuple(
        _refusal(guid, result, now)
        for result in results
        if result.name == BINDING and not result.ok
    )


def _refusal(guid: Guid, result: ModuleResult, now: int) -> Event:
    told = {
        "code": str(result.facts.get("code", "")),
        "sentence": result.detail,
        "remedy": str(result.facts.get("remedy", "")),
    }
    cause = "binding.refused" if told["code"] else "binding.absent"
    return _event(cause, guid, told, now)


def _event(cause: str, guid: Guid, detail: Mapping[str, object], now: int) -> Event:
    return Event(cause, f"device:{guid.hex}", now, guid.raw, None, detail)


def _binding(
    taken: TakeOwnership, owned: Owned | None, now: int
) -> BindingRecord | None:
    for result in taken.results:
        if result.name == BINDING and result.ok:
            return _bound(result.facts, owned, now)
    return None


def _bound(facts: Mapping[str, object], owned: Owned | None, now: int) -> BindingRecord:
    binding = Binding.from_cbor(cbor.bstr(facts["binding"]))
    if owned is None or owned.passport is None:
        return rows.binding_record(binding, Channel.EVIDENCE, None, now)
    channels = {one.name: Channel(one.channel) for one in profiles()}
    channel = channels.get(owned.passport.profile, Channel.EVIDENCE)
    return rows.binding_record(binding, channel, owned.passport_digest, now)
