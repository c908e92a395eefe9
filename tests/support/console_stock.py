"""A fleet with a past, played through the owner's own parts with a clock moved back.

Vouchers and passports are real; bindings are records, for no TPM is needed to look at
one. Every key is a TEST KEY.
"""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field, replace

from attestation.appraisal import Appraisal, AppraisalFailure, Channel, Verdict
from attestation.manifest import Manifest, ManifestKind, sign_bundle
from attestation.passport import Passport, issue, key_digest
from attestation.policy import AttestationPolicy
from hw.inventory import Disk, Inventory, Nic, TpmMaker
from onboarding.protocol.binding_module import NAME as BINDING
from onboarding.protocol.modules import ModuleResult
from onboarding.services import rows, to0
from onboarding.services.context import Context
from onboarding.services.gate import Gate
from onboarding.services.key_store import KeyKind
from onboarding.services.passports import StoredPassport
from onboarding.services.serviceinfo import receipts
from onboarding.services.to0_attempts import Attempt
from onboarding.services.voucher_records import record_of
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.bindings import BindingRecord
from onboarding.store.manifests import ManifestRecord
from onboarding.store.state import Removal
from onboarding.store.traces import Trace
from ownership_vouchers import cbor
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid
from ownership_vouchers.verify import restore
from ownership_vouchers.voucher import Voucher
from tests.support.owner_bench import Clock
from tests.support.supply_chain import SupplyChain

RENDEZVOUS = "http://rv.example.test:8082"
POLICY = AttestationPolicy("boot", 1, {7: ("ab" * 32,)}, lease_seconds=600)
NEWER = AttestationPolicy(
    "boot", 2, {0: ("cd" * 32,), 7: ("ab" * 32, "ef" * 32)}, lease_seconds=900
)
MACHINE = Inventory(
    "Edge Board rev B",
    "EB-7",
    "Cortex-A72",
    4,
    8_192_000_000,
    (
        Disk("mmcblk0", 62_534_975_488, "SD64G", rotates=False),
        Disk("sda", 4_000_000_000_000, "DISK4000", rotates=True),
    ),
    (
        Nic("eth0", "02:00:00:00:00:01", "bcmgenet"),
        Nic("wlan0", None, "brcmfmac"),
    ),
    "Example 1.4 2026-02-01",
    uefi=True,
    secure_boot=True,
    tpm=TpmMaker("IFX", "SLB9670", "0007005500112233"),
).to_item()


@dataclass
class Stock:
    """Fills one owner's database; ``clock`` is what that owner takes for now."""

    context: Context
    clock: Clock
    chain: SupplyChain = field(default_factory=SupplyChain)

    def __post_init__(self) -> None:
        stores, at = self.context.stores, self.context.now()
        for policy in (POLICY, NEWER):
            stores.policies.add(rows.policy_record(policy, "apikey:5ec", at))
        self.manifest = Manifest(
            "edge", 3, ManifestKind.QUADLET, (("edge.container", b"[Container]\n"),)
        )
        self.signer = self.context.keyrings[KeyKind.OWNER].first()
        bundle = sign_bundle(self.manifest, self.signer)
        digest = bytes.fromhex(self.manifest.digest())
        record = ManifestRecord("edge", "3", "quadlet", digest, bundle, at, "apikey:0b")
        stores.manifests.add(record)
        self.gate = Gate(self.context)

    def imported(
        self, serial: str, info: str = "edge-board rev B", *, passport: bool = True
    ) -> Guid:
        """A device whose voucher came in by way of a dealer."""
        voucher = self.sold(info)
        stores, now = self.context.stores, self.context.now()
        encoded = self._passport(voucher, serial).encode() if passport else None
        record = record_of(voucher, serial, now, encoded)
        stores.vouchers.add(record, "apikey:0b", bought=True)
        stores.devices.describe(
            voucher.guid.raw,
            "apikey:0b",
            now,
            profile="generic-sbc-tpm",
            labels={"site": "Zürich", "line": "2"},
        )
        return voucher.guid

    def sold(self, info: str = "edge-board rev B") -> Voucher:
        """A voucher that names the owner, not yet imported."""
        self.chain.make_device(info).sell_to("dealer")
        ours = PublicKey.of(self.signer.public_key)
        seller = self.chain.owner
        chain = restore(self.chain.voucher)
        return extend(chain, seller.signer, seller.public_key, ours)

    def registered(self, guid: Guid) -> None:
        """Announced at one rendezvous server; a second one does not answer."""
        now, stores = self.context.now(), self.context.stores
        stores.devices.registered(guid.raw, now + 86400, RENDEZVOUS, "task:to0", now)
        good = Attempt(RENDEZVOUS, now, 0, "", 86400, now + 86400, now + 60000)
        bad = Attempt(
            "https://rv2.example.test", now, 3, "connection refused", due=now + 40
        )
        payload = json.dumps([asdict(good), asdict(bad)]).encode()
        stores.tasks.enqueue(to0.KIND, guid.raw.hex(), now + 40, payload)

    def onboarded(self, guid: Guid, *, bound: bool = True) -> None:
        """Through TO2, on the second try."""
        now, stores = self.context.now(), self.context.stores
        stores.traces.write([_failed(guid, now - 60), _good(guid, now)], [])
        results = [
            ModuleResult("fdo.download", True, "4096 bytes", {"path": "/etc/ca.pem"}),
            ModuleResult(BINDING, bound, "" if bound else "there is no TPM"),
        ]
        stores.vouchers.take_ownership(
            guid.raw,
            None,
            cbor.encode({"os": "linux", **({"inventory": MACHINE} if bound else {})}),
            receipts.encode("plan@1", results),
            now,
            run_id=secrets.token_bytes(16),
            binding=self._binding(guid, now) if bound else None,
            ends=(to0.KIND, guid.raw.hex()),
        )
        if bound:
            stores.devices.enrolled(guid.raw, "evidence", "task:enrol", now)
        stores.assignments.assign_policy(guid.raw, "boot", 1, "apikey:0b", now)
        stores.assignments.assign_manifest(guid.raw, "edge", "3", "apikey:0b", now)

    def appraised(self, guid: Guid, verdict: Verdict = Verdict.PASSED) -> None:
        """One verdict of Keylime's, and what follows from it."""
        failed = verdict is Verdict.FAILED
        sentence = "PCR 7 holds another value than the policy allows"
        failure = AppraisalFailure("pcr_validation.invalid_pcr_7", sentence)
        appraisal = Appraisal(
            secrets.token_hex(8),
            guid,
            Channel.EVIDENCE,
            verdict,
            () if verdict is Verdict.NOT_CHECKED else POLICY.required,
            (failure,) if failed else (),
            POLICY.name,
            POLICY.version,
            POLICY.digest(),
            hashlib.sha256(secrets.token_bytes(8)).hexdigest(),
            self.context.now(),
            clock=1000,
            reset_count=3,
            restart_count=0,
            firmware=0x0007000200000000,
        )
        lease = POLICY.lease_seconds if verdict is Verdict.PASSED else None
        record = rows.appraisal_record(appraisal, lease)
        self.context.stores.appraisals.add(record, "task:attest")
        Withdrawals(self.context, self.gate).review(guid.raw, "task:attest")

    def released(self, guid: Guid) -> None:
        """The gate opens, and the device reports that it runs what it was given."""
        situation = self.gate.situation(guid.raw)
        made = self.gate.decide(situation)
        self.gate.release(situation, made, self.signer, f"device:{guid}")
        stores, now = self.context.stores, self.context.now()
        decision = stores.releases.live(guid.raw)[0].decision_id
        report = hashlib.sha256(secrets.token_bytes(8)).digest()
        stores.releases.applied(decision, report, f"device:{guid}", now)

    def removed(self, guid: Guid) -> None:
        """The device proves that the workload is gone."""
        report = hashlib.sha256(secrets.token_bytes(8)).digest()
        stores, now = self.context.stores, self.context.now()
        stores.releases.removed(guid.raw, Removal.PROVEN, report, f"device:{guid}", now)

    def asked(self, guid: Guid) -> None:
        """The device asks for its workload, and is told what the gate says."""
        made = self.gate.decide(self.gate.situation(guid.raw))
        self.gate.record(made, f"device:{guid}")

    def _passport(self, voucher: Voucher, serial: str) -> StoredPassport:
        passport = Passport(
            voucher.guid,
            hashlib.sha256(voucher.guid.raw).digest(),
            serial,
            "generic-sbc-tpm",
            key_digest(voucher.device_key),
            self.context.now() - 86400,
        )
        document = issue(passport, self.chain.manufacturer.signer)
        return StoredPassport(self.chain.manufacturer.public_key.spki, document)

    def _binding(self, guid: Guid, now: int) -> BindingRecord:
        kept = self.context.stores.vouchers.get(guid.raw).passport
        stored = StoredPassport.decode(kept or b"")
        return BindingRecord(
            guid.raw,
            b"ek",
            None,
            hashlib.sha256(guid.raw).digest(),
            "passport-trusted",
            (
                "no certificate came with it",
                "the manufacturer's passport names this EK",
            ),
            b"ak",
            "ecc",
            "evidence",
            "tpm-bound",
            hashlib.sha256(stored.document).digest(),
            now,
        )


def _good(guid: Guid, now: int) -> Trace:
    steps = "".join(f"{message},{now},1,0;" for message in (60, 62, 64, 66, 68, 70))
    return Trace(
        secrets.token_bytes(16), 101, "TO2", guid.raw, "", now, now, 12, 70, None,
        None, "", False, True, True, steps,
    )  # fmt: skip


def _failed(guid: Guid, now: int) -> Trace:
    return replace(
        _good(guid, now),
        run=secrets.token_bytes(16),
        passed=62,
        refused=64,
        code=101,
        error="the device's signature does not verify",
        done=False,
        proven=False,
        steps=f"60,{now},1,0;62,{now},3,0;64,{now + 1},1,101;",
    )
