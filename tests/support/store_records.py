"""Records for store tests: values that differ only where a test says so."""

import hashlib
import threading
from collections.abc import Callable
from typing import TypeVar

from onboarding.store.appraisals import AppraisalRecord, FailureRecord, Outcome
from onboarding.store.bindings import BindingRecord
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.key_rules import Holder, KeyRule, Verdict
from onboarding.store.registrations import RegistrationRecord
from onboarding.store.voucher_rows import VoucherRecord
from onboarding.store.vouchers import VoucherStore

T = TypeVar("T")

NOW = 1_800_000_000
GUID = bytes(range(16))
OTHER_GUID = bytes(range(16, 32))
ACTOR = "apikey:test"


def digest(*words: object) -> bytes:
    """A SHA-256 that differs with its words."""
    return hashlib.sha256(repr(words).encode()).digest()


def voucher(
    guid: bytes = GUID,
    owners: tuple[str, ...] = ("dealer", "owner"),
    header: str = "header",
    passport: bytes | None = None,
) -> VoucherRecord:
    """A voucher record whose entries are named by who bought the device."""
    return VoucherRecord(
        guid=guid,
        cbor=b"voucher:" + guid + repr((header, owners)).encode(),
        header_digest=digest(header, guid),
        entry_digests=tuple(digest(header, owner) for owner in owners),
        serial=f"SN-{guid.hex()[:6]}",
        device_info="test board",
        key_fingerprint=digest("key", owners[-1:]).hex(),
        added_at=NOW,
        passport=passport,
    )


def binding(guid: bytes = GUID, ek: str = "ek") -> BindingRecord:
    """A binding to a TPM that is named by its EK."""
    return BindingRecord(
        guid=guid,
        ek_public=b"public of " + ek.encode(),
        ek_certificate=b"certificate of " + ek.encode(),
        ek_digest=digest(ek),
        ek_class="vendor-trusted",
        ek_reasons=("chain ends in a trusted root",),
        ak_public=b"ak",
        ak_alg="ecc",
        channel="evidence",
        klass="tpm-bound",
        passport_digest=digest("passport"),
        bound_at=NOW,
    )


def registration(
    guid: bytes = GUID,
    owners: tuple[str, ...] = ("dealer", "owner"),
    header: str = "header",
    expires: int = NOW + 3600,
) -> RegistrationRecord:
    """A registration by the last of the owners."""
    record = voucher(guid, owners, header)
    return RegistrationRecord(
        guid=guid,
        to1d=b"to1d of " + repr(owners).encode(),
        key_fingerprint=record.key_fingerprint,
        header_digest=record.header_digest,
        entry_digests=record.entry_digests,
        device_key=b"device key",
        expires=expires,
    )


def rule(
    holder: Holder, fingerprint: str, verdict: Verdict | None, quota: int | None = None
) -> KeyRule:
    """What an operator says of a key."""
    return KeyRule(holder, fingerprint, verdict, quota, "because", NOW, ACTOR)


def appraisal(
    name: str = "a1",
    outcome: Outcome = Outcome.PASSED,
    at: int = NOW + 10,
    guid: bytes = GUID,
    lease: int | None = 900,
) -> AppraisalRecord:
    """A verdict; a pass compared two PCRs, a failure names one of them."""
    passed = outcome is Outcome.PASSED
    failure = FailureRecord("pcr", "PCR 16 is not what the policy pins", "pcr16")
    return AppraisalRecord(
        id=name,
        guid=guid,
        channel="evidence",
        outcome=outcome,
        compared=("pcr0", "pcr16"),
        failures=() if passed else (failure,),
        policy_name="boards",
        policy_version=1,
        policy_digest=digest("policy"),
        evidence_digest=digest("evidence", name),
        at=at,
        lease_expires=at + lease if passed and lease is not None else None,
        clock=1 << 40,
        reset_count=3,
        restart_count=1,
        ek_class="vendor-trusted",
    )


def bound_device(database: Database, guid: bytes = GUID, ek: str = "ek") -> None:
    """A device that was imported, taken and bound, all at ``NOW``."""
    vouchers = VoucherStore(database)
    vouchers.add(voucher(guid), ACTOR)
    bound = binding(guid, ek)
    vouchers.take_ownership(
        guid, None, b"devmod", b"results", NOW, run_id=guid, binding=bound
    )


def enrolled_device(database: Database, guid: bytes = GUID, ek: str = "ek") -> None:
    """A bound device that is expected to attest."""
    bound_device(database, guid, ek)
    DeviceStore(database).enrolled(guid, "evidence", ACTOR, NOW)


def race(*contenders: Callable[[], T]) -> list[T | Exception]:
    """Run all at once, each in a thread; return what each returned or raised."""
    gate = threading.Barrier(len(contenders))
    results: list[T | Exception] = []

    def run(contender: Callable[[], T]) -> None:
        gate.wait()
        try:
            results.append(contender())
        except Exception as error:  # noqa: BLE001 - handed to the test to judge
            results.append(error)

    threads = [threading.Thread(target=run, args=(c,)) for c in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results
