"""What an evidence pack proves, checked without asking anybody.

Each check stands for itself: it holds, says what does not, or had nothing to look at.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cached_property

from attestation.appraisal import Appraisal, Verdict
from attestation.audit_log import open_checkpoint
from attestation.binding_codes import BindingClass
from attestation.errors import AttestationError
from attestation.evidence_pack import EvidencePack, Quote
from attestation.pack_identity import identity_found
from attestation.pack_reports import ABSENT, Broken, PackReports
from attestation.passport import key_digest, open_passport, require_device_key
from attestation.policy import AttestationPolicy, canonical
from attestation.release import DecisionRecord, replay
from hw.errors import HwError
from hw.public_area import PublicArea
from hw.quote import check_quote
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import Voucher


@unique
class Outcome(StrEnum):
    """How a check ended; ABSENT: the pack has nothing of that kind."""

    HOLDS = "holds"
    BROKEN = "broken"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class PackCheck:
    """One check by its stable name, and what it found, in words."""

    name: str
    outcome: Outcome
    detail: str


_MEANS = {"binding": ": the weaker class, for it was bound to no TPM"}
TAKEN = "ownership.taken"  # the event that a run of TO2 ends with
_FAULTS = (AttestationError, HwError, VoucherError, ValueError)


class PackChecker:
    """Looks at every part of one pack.

    Args:
        keys: Owner keys whose checkpoints count.
    """

    def __init__(self, pack: EvidencePack, keys: Iterable[VerifyKey]) -> None:
        self._pack = pack
        self._keys = tuple(keys)

    def run(self) -> tuple[PackCheck, ...]:
        """Every check, in the order of the device's way."""
        checks: Mapping[str, Callable[[], str]] = {
            "vouchers": self._check_vouchers,
            "transcripts": self._check_transcripts,
            "passport": self._check_passport,
            "binding": self._check_binding,
            "identity": self._check_identity,
            "policies": self._check_policies,
            "quotes": self._check_quotes,
            "appraisals": self._check_appraisals,
            "decisions": self._check_decisions,
            "reports": lambda: self._reports.check_reports(),
            "removals": lambda: self._reports.check_removals(),
            "events": self._check_events,
            "checkpoint": self._check_checkpoint,
        }
        return tuple(_checked(name, check) for name, check in checks.items())

    @cached_property
    def _vouchers(self) -> tuple[Voucher, ...]:
        found = tuple(Voucher.from_cbor(one) for one in self._pack.vouchers)
        if not found:
            raise Broken("there is no voucher, so no key of the device is known")
        return found

    @cached_property
    def _device_key(self) -> VerifyKey:
        return self._vouchers[0].device_key

    @cached_property
    def _reports(self) -> PackReports:
        guids = tuple(one.guid for one in self._vouchers)
        pack = self._pack
        return PackReports(pack.reports, pack.withdrawals, self._device_key, guids)

    @cached_property
    def _policies(self) -> Mapping[str, AttestationPolicy]:
        found = (
            AttestationPolicy.from_json(json.loads(one)) for one in self._pack.policies
        )
        return {one.digest(): one for one in found}

    @cached_property
    def _appraisals(self) -> tuple[Appraisal, ...]:
        return tuple(
            Appraisal.from_json(json.loads(one)) for one in self._pack.appraisals
        )

    def _policy(self, appraisal: Appraisal) -> AttestationPolicy:
        found = self._policies.get(appraisal.policy_digest)
        if found is None:
            raise Broken(f"the policy of appraisal {appraisal.id} is not in the pack")
        return found

    def _check_vouchers(self) -> str:
        for one in self._vouchers:
            verify(one)
            if key_digest(one.device_key) != key_digest(self._device_key):
                raise Broken(f"voucher {one.guid} is of a device with another key")
        live = self._vouchers[0]
        if live.guid != self._pack.guid:
            raise Broken(f"the live voucher is of {live.guid}")
        owners = sum(len(one.entries) for one in self._vouchers)
        return f"{len(self._vouchers)}, with {owners} entries, of one device key"

    def _check_transcripts(self) -> str:
        """Digests of runs of TO2; that nobody changed them is what ``events`` says."""
        told = (one for one in self._pack.events if one.cause == TAKEN)
        digests = [one.evidence_digest.hex() for one in told if one.evidence_digest]
        if not digests:
            return ABSENT
        return f"{len(digests)} of TO2, the last {digests[-1]}"

    def _check_passport(self) -> str:
        if not self._pack.passport:
            return ABSENT
        makers = [one.header.manufacturer_key.key for one in self._vouchers]
        passport = open_passport(self._pack.passport, makers)
        require_device_key(passport, self._device_key)
        return f"serial {passport.serial}, profile {passport.profile}"

    def _check_binding(self) -> str:
        binding = self._pack.binding
        if binding is None:
            return ABSENT
        ek = key_digest(PublicArea.from_bytes(binding.ek_public).key)
        PublicArea.from_bytes(binding.ak_public).require_attestation_key()
        if binding.passport_digest:
            self._check_named(ek, binding.passport_digest)
        weaker = binding.klass != BindingClass.TPM_BOUND
        mark = ", the weaker class" if weaker else ""
        return f"{binding.klass}{mark}, EK {ek.hex()} {binding.ek_class}"

    def _check_identity(self) -> str:
        binding = self._pack.binding
        if binding is None or not binding.identity:
            return ABSENT
        guids = (self._pack.guid, *(one.guid for one in self._vouchers))
        return identity_found(binding, guids)

    def _check_named(self, ek: bytes, digest: bytes) -> None:
        if hashlib.sha256(self._pack.passport).digest() != digest:
            raise Broken("it was bound under another passport than the one here")
        makers = [one.header.manufacturer_key.key for one in self._vouchers]
        if open_passport(self._pack.passport, makers).ek_digest != ek:
            raise Broken("the passport names another endorsement key")

    def _check_policies(self) -> str:
        for text in self._pack.policies:
            if canonical(json.loads(text)).decode() != text:
                raise Broken("a policy is not in the form its digest is taken over")
        names = sorted(f"{p.name}@{p.version}" for p in self._policies.values())
        return ", ".join(names) or ABSENT

    def _check_appraisals(self) -> str:
        passed = 0
        for one in self._appraisals:
            policy = self._policy(one)
            if one.verdict is Verdict.PASSED:
                passed += 1
                if not set(policy.required) <= set(one.compared):
                    raise Broken(f"appraisal {one.id} passed, and compared too little")
        count = len(self._appraisals)
        return f"{count}, of which {passed} passed" if count else ABSENT

    def _check_quotes(self) -> str:
        """Judge anew what the bound key signed: each PCR against its policy."""
        binding, count = self._pack.binding, 0
        if binding is None or not self._pack.quotes:
            return ABSENT
        ak = PublicArea.from_bytes(binding.ak_public)
        known = {_digest(one): one for one in map(Quote.decode, self._pack.quotes)}
        for appraisal in self._appraisals:
            quote = known.get(appraisal.evidence_digest)
            if quote is None or appraisal.at < binding.bound_at:
                continue
            self._judge(appraisal, quote, ak)
            count += 1
        return f"{count} by the bound attestation key" if count else ABSENT

    def _judge(self, appraisal: Appraisal, quote: Quote, ak: PublicArea) -> None:
        facts = check_quote(
            ak, quote.message, quote.signature, quote.pcr_blob, quote.nonce
        )
        if appraisal.verdict is not Verdict.PASSED:
            return
        for pcr, allowed in self._policy(appraisal).pcrs.items():
            if facts.pcrs.get(pcr) not in allowed:
                raise Broken(
                    f"appraisal {appraisal.id} passed, and PCR {pcr} is not as its"
                    " policy says"
                )

    def _check_decisions(self) -> str:
        allowed = 0
        for text in self._pack.decisions:
            record = DecisionRecord.from_json(json.loads(text))
            if replay(record) != record.decision:
                raise Broken(f"the decision of {record.now} s does not follow")
            allowed += json.loads(text)["decision"]["allow"] is True
        count = len(self._pack.decisions)
        return f"{count}, of which {allowed} allowed" if count else ABSENT

    def _check_events(self) -> str:
        before = None
        for one in self._pack.events:
            if one.computed_digest() != one.digest:
                raise Broken(f"event {one.seq} was altered")
            if before is not None and one.seq <= before.seq:
                raise Broken(f"event {one.seq} stands after event {before.seq}")
            if before is not None and one.seq == before.seq + 1:
                if one.previous != before.digest:
                    raise Broken(f"event {one.seq} does not follow event {before.seq}")
            before = one
        return f"{len(self._pack.events)}" if before is not None else ABSENT

    def _check_checkpoint(self) -> str:
        if not self._pack.checkpoint:
            return ABSENT
        said = open_checkpoint(self._pack.checkpoint, self._keys)
        for one in self._pack.events:
            if one.seq == said.seq and one.digest != said.digest:
                raise Broken(f"event {one.seq} is not the one that was signed")
        return f"of event {said.seq}, {said.digest.hex()}"


def owner_keys(pack: EvidencePack) -> tuple[VerifyKey, ...]:
    """The keys that own the device by the vouchers in the pack.

    Raises:
        VoucherError: A voucher cannot be read.
    """
    return tuple(Voucher.from_cbor(one).owner_key.key for one in pack.vouchers)


def _checked(name: str, check: Callable[[], str]) -> PackCheck:
    try:
        found = check()
    except _FAULTS as error:
        return PackCheck(name, Outcome.BROKEN, str(error))
    if found == ABSENT:
        return PackCheck(
            name, Outcome.ABSENT, "none in the pack" + _MEANS.get(name, "")
        )
    return PackCheck(name, Outcome.HOLDS, found)


def _digest(quote: Quote) -> str:
    said = quote.message + quote.signature + quote.pcr_blob
    return hashlib.sha256(said).hexdigest()
