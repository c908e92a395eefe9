"""Devices that attest as fast as they are let: owned, bound to keys in memory.

What a TPM takes is its own matter and would be the limit here: the statements are those
of a TPM, signed by TEST KEYS.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attestation.device_auth import DeviceRequest, Purpose, sign_request
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import read_runtime_policy
from hw.evidence import Attestation, Quote
from onboarding.services import rows
from onboarding.services.context import Context, open_context
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role, Settings
from onboarding.services.voucher_records import record_of
from onboarding.store.bindings import BindingRecord
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid
from tests.bench.http_load import Connection
from tests.bench.services import Services
from tests.support.ima_lists import Measured, extended
from tests.support.supply_chain import SupplyChain
from tests.support.tpm_statements import SoftAk, Statement

PCRS = {pcr: hashlib.sha256(b"pcr %d" % pcr).digest() for pcr in (0, 2, 4, 7, 8)}
PART = 1024 * 1024
_FILES = 10_000  # that are told apart; a kernel measures a file again when it changed
_COSE = "application/cose"


@dataclass(slots=True)
class BenchAttester:
    """One device, and its TPM's clock."""

    guid: Guid
    signer: SoftSigner
    ak: SoftAk
    pcrs: dict[int, bytes] = field(default_factory=lambda: dict(PCRS))
    list: bytes = b""  # the kernel's
    sent: int = 0  # bytes of requests
    given: bytes = b""  # a challenge that came with the last answer

    async def attest(self, connection: Connection) -> dict[object, object]:
        """One whole round; ends the program unless it passes."""
        asked = await self.ask(connection, "attest/challenge", {})
        held = cbor.mapping(asked["ima_held"]) if asked["ima"] else {}
        size = cbor.uint(held.get("bytes", 0), 32)
        first, after = held.get("entries", 0), held.get("pcr", b"")
        while len(self.list) - size > PART:
            end = self.list.rindex(b"\n", size, size + PART) + 1
            lines = self.list[size:end]
            body = {"ima_first": first, "ima_after": after, "ima_log": lines}
            kept = await self.ask(connection, "attest/log", body)
            first, after = kept["entries"], kept["pcr"]
            size = end
        if size != held.get("bytes", 0):
            asked = await self.ask(connection, "attest/challenge", {})
        nonce = cbor.bstr(asked["nonce"], 32)
        quote = self.quote(nonce, cbor.array(asked["pcrs"]))
        answer = await self.ask(
            connection,
            "attest",
            {
                "ticket": asked["ticket"],
                "message": quote.message,
                "signature": quote.signature,
                "pcr_blob": quote.pcr_blob,
                "ima_first": first,
                "ima_after": after,
                "ima_log": self.list[size:],
            },
        )
        if answer["verdict"] != "passed":
            raise SystemExit(f"bench: an appraisal did not pass: {answer['failures']}")
        return answer

    def quote(self, nonce: bytes, pcrs: object) -> Quote:
        """As the TPM would quote those PCRs now."""
        wanted = {pcr: self.pcrs[pcr] for pcr in sorted(pcrs)}  # type: ignore[call-overload]
        clock = time.monotonic_ns() // 1_000_000
        counters = clock.to_bytes(8) + (7).to_bytes(4) + (3).to_bytes(4) + b"\1"
        made = Statement.quote(wanted).but(nonce=nonce, clock=counters).message()
        return Quote(made, self.ak.sign(made), self.ak.quote(wanted, nonce)[2])

    async def ask(
        self, connection: Connection, path: str, fields: dict[str, object]
    ) -> dict[object, object]:
        challenge, self.given = self.given or await self._challenge(connection), b""
        purpose = Purpose.ATTEST
        request = DeviceRequest(challenge, self.guid, purpose, cbor.encode(fields))
        signed = sign_request(request, self.signer)
        reply = await self._post(connection, path, signed, _COSE)
        said = cbor.mapping(cbor.decode(reply))
        if path != "attest":  # a minute passes before the next round
            self.given = cbor.bstr(said["next_challenge"], limit=1024)
        return said

    async def _challenge(self, connection: Connection) -> bytes:
        body = json.dumps({"guid": str(self.guid)}).encode()
        reply = await self._post(connection, "challenge", body, "application/json")
        return base64.urlsafe_b64decode(json.loads(reply)["challenge"] + "==")

    async def _post(
        self, connection: Connection, path: str, body: bytes, kind: str
    ) -> bytes:
        self.sent += len(body)
        status, reply = await connection.send(f"/device/v1/{path}", body, kind)
        if status != 200:
            raise SystemExit(f"bench: {path} answered {status}: {reply[:300]!r}")
        return reply


@dataclass(frozen=True, slots=True)
class SoftPort:
    """The RSA key of a push agent. Test key: no TPM holds it."""

    ak: SoftAk

    @property
    def public(self) -> bytes:
        return self.ak.public

    @property
    def name(self) -> bytes:
        return self.ak.area.name

    def certify(self, nonce: bytes) -> Attestation:
        return Attestation(*self.ak.certify(self.name, nonce))

    def quote(self, nonce: bytes, bank: str, pcrs: tuple[int, ...]) -> Quote:
        if bank != "sha256":
            raise SystemExit(f"bench: Keylime asks for bank {bank}")
        return Quote(*self.ak.quote({pcr: PCRS[pcr] for pcr in pcrs}, nonce))


@contextmanager
def owner_stores(services: Services, directory: Path) -> Iterator[Context]:
    """The running owner's stores and keys, from beside it."""
    settings = Settings(
        role=Role.OWNER,
        database_url=services["owner"].database_url,
        key_directory=directory / "owner" / "keys",
        key_passphrase_file=directory / "passphrase",
    )
    context = open_context(settings, time.time)
    try:
        yield context
    finally:
        context.close()


def enlist(
    context: Context, count: int, policy: AttestationPolicy
) -> list[BenchAttester]:
    """Give the owner devices that went through TO2 and are held to a policy."""
    now, stores = context.now(), context.stores
    stores.policies.add(rows.policy_record(policy, "bench", now))
    ours = PublicKey.of(context.keyrings[KeyKind.OWNER].first().public_key)
    chain, ak = SupplyChain(), SoftAk.new("ecc")
    found = []
    for number in range(count):
        chain.make_device().sell_to("dealer")
        seller = chain.owner
        voucher = extend(chain.verified, seller.signer, seller.public_key, ours)
        guid = voucher.guid.raw
        stores.vouchers.add(record_of(voucher, f"SN-{number}", now), "bench")
        stores.vouchers.take_ownership(
            guid,
            None,
            cbor.encode({}),
            cbor.encode([]),
            now,
            run_id=b"run",
            binding=_binding(guid, ak, now),
        )
        stores.assignments.assign_policy(
            guid, policy.name, policy.version, "bench", now
        )
        found.append(BenchAttester(voucher.guid, chain.device_signer, ak))
    return found


def _binding(guid: bytes, ak: SoftAk, now: int) -> BindingRecord:
    digest = hashlib.sha256(guid).digest()  # of an EK that nobody looks at
    return BindingRecord(
        guid, ak.public, None, digest, "vendor-trusted", (), ak.public, "ecc",
        "evidence", "tpm-bound", None, now,
    )  # fmt: skip


def pcr_policy(name: str = "bench", runtime: str | None = None) -> AttestationPolicy:
    """Pins every PCR that bench devices have."""
    pinned = {pcr: (value.hex(),) for pcr, value in PCRS.items()}
    return AttestationPolicy(name, 1, pinned, runtime_policy=runtime)


def measured(size: int, start: int = 0) -> list[Measured]:
    """Entries of a list of ``size`` bytes, as a distribution's files would give."""
    one = len(_entry(start + _FILES - 1).line())
    return [_entry(start + number) for number in range(max(1, size // one))]


def _entry(number: int) -> Measured:
    name = f"/usr/lib/x86_64-linux-gnu/bench/{number % _FILES:05d}/libsome.so.1.2.3"
    return Measured(name.encode(), digest=hashlib.sha256(name.encode()).digest())


def run_list(device: BenchAttester, entries: list[Measured]) -> None:
    """Have the device's kernel measure all of these, after nothing."""
    device.list = b"".join(one.line() for one in entries)
    device.pcrs[10] = extended(entries, "sha256")


def runtime_policy(context: Context) -> str:
    """Store a runtime policy that allows all of them; return its digest."""
    allowed = {
        one.name.decode(): [one.digest.hex()] for one in map(_entry, range(_FILES))
    }
    document = {
        "meta": {"version": 1, "generator": 3},
        "release": 0,
        "digests": allowed,
        "excludes": [],
        "keyrings": {},
        "ima": {"ignored_keyrings": [], "log_hash_alg": "sha1", "dm_policy": None},
        "ima-buf": {},
        "verification-keys": "",
    }
    body = json.dumps(document).encode()
    context.stores.runtime_policies.add(body, "bench", context.now())
    return read_runtime_policy(body)
