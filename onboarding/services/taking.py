"""The end of TO2: the device, its voucher and its TPM, in one durable commit."""

import hashlib
from collections.abc import Iterable, Mapping

from attestation.appraisal import Channel
from attestation.binding import Binding
from hw.profiles import profiles
from onboarding.protocol.binding_module import NAME as BINDING
from onboarding.protocol.errors import MessageRefused, RequiredModuleFailed
from onboarding.protocol.modules import ModuleResult
from onboarding.protocol.step import State, TakeOwnership
from onboarding.services import rows, to0
from onboarding.services.context import Context
from onboarding.services.owned import OwnedVouchers
from onboarding.services.voucher_records import record_of
from onboarding.store.bindings import BindingRecord
from onboarding.store.events import Event
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid

_CHANNELS = {one.name: Channel(one.channel) for one in profiles()}


class TakingOver:
    """Commits finished runs, and writes down why others did not finish."""

    def __init__(self, context: Context, vouchers: OwnedVouchers) -> None:
        self._context = context
        self._vouchers = vouchers

    def commit(self, taken: TakeOwnership, now: int, run_id: bytes) -> None:
        """Make the device ours; the same run again changes nothing.

        Raises:
            MessageRefused: Its TPM speaks for another device of ours already.
        """
        stores = self._context.stores
        binding = self._binding(taken, now)
        if binding is not None:
            self._require_own_tpm(binding, taken.guid, now)
        new = taken.new_voucher
        record = None
        if new is not None:
            serial = stores.vouchers.get(taken.guid.raw).serial
            record = record_of(new, serial, now)
        stores.vouchers.take_ownership(
            taken.guid.raw,
            record,
            cbor.encode(dict(taken.devmod)),
            cbor.encode([_shown(one) for one in taken.results]),
            now,
            run_id=run_id,
            binding=binding,
        )
        stores.tasks.cancel(to0.KIND, taken.guid.hex)
        self._note_refusals(taken.guid, taken.results, now)

    def failed(
        self, state: State, where: str, error: Exception | None, now: int
    ) -> None:
        """Tell the operator in full what the device is told in a code."""
        guid: Guid | None = getattr(state, "guid", None)
        if guid is None:
            return
        if isinstance(error, RequiredModuleFailed):
            self._note_refusals(guid, error.results, now)
        detail: dict[str, object] = {"at": where, "error": str(error or "")[:2000]}
        self._log("ownership.refused", guid, detail, now)

    def _note_refusals(
        self, guid: Guid, results: Iterable[ModuleResult], now: int
    ) -> None:
        """A device that is not bound is an event, whether or not TO2 went on."""
        for result in results:
            if result.name == BINDING and not result.ok:
                told = {
                    "code": str(result.facts.get("code", "")),
                    "sentence": result.detail,
                    "remedy": str(result.facts.get("remedy", "")),
                }
                cause = "binding.refused" if told["code"] else "binding.absent"
                self._log(cause, guid, told, now)

    def _log(
        self,
        cause: str,
        guid: Guid,
        detail: Mapping[str, object],
        now: int,
        evidence: bytes | None = None,
    ) -> None:
        actor = f"device:{guid.hex}"
        event = Event(cause, actor, now, guid.raw, evidence, detail)
        self._context.stores.events.append(event)

    def _binding(self, taken: TakeOwnership, now: int) -> BindingRecord | None:
        for result in taken.results:
            if result.name == BINDING and result.ok:
                return self._bound(taken.guid, result.facts, now)
        return None

    def _bound(
        self, guid: Guid, facts: Mapping[str, object], now: int
    ) -> BindingRecord:
        binding = Binding.from_cbor(cbor.bstr(facts["binding"]))
        owned = self._vouchers.find(guid)
        passport = None if owned is None else owned.passport
        if passport is None:
            return rows.binding_record(binding, Channel.EVIDENCE, None, now)
        channel = _CHANNELS.get(passport.profile, Channel.EVIDENCE)
        named = hashlib.sha256(passport.ek_digest + passport.guid.raw).digest()
        return rows.binding_record(binding, channel, named, now)

    def _require_own_tpm(self, binding: BindingRecord, guid: Guid, now: int) -> None:
        stores = self._context.stores
        others = stores.bindings.others_with_ek(binding.ek_digest, guid.raw)
        if not others:
            return
        names = ", ".join(str(Guid(one)) for one in others[:4])
        told = {
            "code": "ek-of-another-device",
            "sentence": f"this TPM is bound to {names} already",
            "remedy": "retire the other device, if this one takes its place",
        }
        self._log("binding.refused", guid, told, now, binding.ek_digest)
        raise MessageRefused(told["sentence"])


def _shown(result: ModuleResult) -> dict[str, object]:
    """A module's result as the device's record keeps it."""
    return {
        "name": result.name,
        "ok": result.ok,
        "detail": result.detail,
        "facts": dict(result.facts),
    }
