"""An owner's parts over a real database, with a clock that a test moves.

The device is bound by record, not by a TPM: what is tried here begins after that.
Every key is a TEST KEY.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from attestation.appraisal import (
    Appraisal,
    AppraisalFailure,
    Channel,
    Verdict,
    conclude,
)
from attestation.device_auth import DeviceRequest, Purpose, sign_request
from attestation.manifest import Manifest, ManifestKind, sign_bundle
from attestation.policy import AttestationPolicy
from onboarding.services import rows
from onboarding.services.context import Context, open_context
from onboarding.services.device_api.requests import DeviceCall, DeviceRequests
from onboarding.services.device_api.workload import WorkloadDesk
from onboarding.services.gate import Gate
from onboarding.services.key_store import KeyKind
from onboarding.services.owned import OwnedVouchers
from onboarding.services.settings import Role
from onboarding.services.voucher_records import record_of
from onboarding.store.bindings import BindingRecord
from onboarding.store.manifests import ManifestRecord
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid
from tests.support.databases import NewDatabase
from tests.support.services import Site
from tests.support.supply_chain import SupplyChain

NOW = 1_800_000_000
POLICY = AttestationPolicy("boot", 1, {7: ("ab" * 32,)}, lease_seconds=600)
FILES = (("app.container", b"[Container]\n"),)


@dataclass
class Clock:
    """Seconds since 1970, as the test says."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class OwnerBench:
    """One owner, one owned device, and the desk where the device asks."""

    context: Context
    clock: Clock
    chain: SupplyChain
    guid: Guid
    gate: Gate
    requests: DeviceRequests
    desk: WorkloadDesk

    @property
    def device(self) -> SoftSigner:
        return self.chain.device_signer

    @property
    def owner(self) -> SoftSigner:
        return self.context.keyrings[KeyKind.OWNER].first()

    def request(self, purpose: Purpose, body: dict[str, object] | None = None) -> bytes:
        """A request as the device signs it, over a fresh challenge."""
        challenge, _ = self.requests.challenge(self.guid)
        encoded = cbor.encode(body or {})
        return sign_request(
            DeviceRequest(challenge, self.guid, purpose, encoded), self.device
        )

    def call(
        self, purpose: Purpose, body: dict[str, object] | None = None
    ) -> DeviceCall:
        return self.requests.open(self.request(purpose, body), purpose)

    def ask(self, **body: object) -> dict[str, object]:
        """The device comes for its workload."""
        return self.desk.ask(self.call(Purpose.WORKLOAD, body))

    def report(self, document: bytes) -> dict[str, object]:
        return self.desk.report(self.call(Purpose.REPORT, {"report": document}))

    def appraise(self, *, good: bool = True) -> None:
        """Store a verdict of this second."""
        failures = () if good else (AppraisalFailure("pcr", "PCR 7 differs"),)
        verdict = Verdict.PASSED if good else Verdict.FAILED
        self._appraised(verdict, POLICY.required, failures)

    def look_at_nothing(self) -> None:
        """Store that nothing was compared."""
        verdict, failures = conclude(True, (), ())
        self._appraised(verdict, (), failures)

    def _appraised(
        self,
        verdict: Verdict,
        compared: tuple[str, ...],
        failures: tuple[AppraisalFailure, ...],
    ) -> None:
        at, good = self.context.now(), verdict is Verdict.PASSED
        appraisal = Appraisal(
            secrets.token_hex(8),
            self.guid,
            Channel.EVIDENCE,
            verdict,
            compared,
            failures,
            POLICY.name,
            POLICY.version,
            POLICY.digest(),
            hashlib.sha256(secrets.token_bytes(8)).hexdigest(),
            at,
        )
        record = rows.appraisal_record(appraisal, POLICY.lease_seconds)
        if not good:
            record = replace(record, lease_expires=None)
        self.context.stores.appraisals.add(record, "test")

    def assign(self, version: int = 1) -> str:
        """Store and assign a manifest; return its digest."""
        manifest = Manifest("app", version, ManifestKind.QUADLET, FILES)
        now, stores = self.context.now(), self.context.stores
        digest = manifest.digest()
        bundle = sign_bundle(manifest, self.owner)
        record = ManifestRecord(
            "app", str(version), "quadlet", bytes.fromhex(digest), bundle, now, "test"
        )
        stores.manifests.add(record)
        stores.assignments.assign_manifest(
            self.guid.raw, "app", str(version), "test", now
        )
        return digest


@contextmanager
def owner_bench(
    directory: Path,
    databases: NewDatabase | None = None,
    *,
    bound: bool = True,
    **settings: object,
) -> Iterator[OwnerBench]:
    """An owner with one device that is owned, bound, and under a policy."""
    site, clock = Site(directory, databases=databases), Clock()
    context = open_context(site.settings(Role.OWNER, **settings), clock)
    try:
        chain = SupplyChain().make_device().sell_to("dealer")
        _take(context, chain, bound)
        gate, vouchers = Gate(context), OwnedVouchers(context)
        yield OwnerBench(
            context,
            clock,
            chain,
            chain.guid,
            gate,
            DeviceRequests(context, vouchers),
            WorkloadDesk(context, gate),
        )
    finally:
        context.close()
        site.close()


def _take(context: Context, chain: SupplyChain, bound: bool) -> None:
    ours = PublicKey.of(context.keyrings[KeyKind.OWNER].first().public_key)
    seller = chain.owner
    voucher = extend(chain.verified, seller.signer, seller.public_key, ours)
    stores, guid = context.stores, voucher.guid.raw
    stores.vouchers.add(record_of(voucher, "SN-1", NOW), "test")
    stores.vouchers.take_ownership(
        guid,
        None,
        cbor.encode({}),
        cbor.encode([]),
        NOW,
        run_id=b"run",
        binding=binding_of(guid) if bound else None,
    )
    if bound:
        stores.devices.enrolled(guid, "evidence", "test", NOW)
    stores.policies.add(rows.policy_record(POLICY, "test", NOW))
    stores.assignments.assign_policy(guid, POLICY.name, 1, "test", NOW)


def binding_of(guid: bytes) -> BindingRecord:
    return BindingRecord(
        guid,
        b"ek",
        None,
        hashlib.sha256(b"ek").digest(),
        "vendor-trusted",
        (),
        b"ak",
        "ecc",
        "evidence",
        "tpm-bound",
        None,
        NOW,
    )
