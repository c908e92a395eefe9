"""One good document of each kind we sign. All keys are TEST KEYS."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from attestation import (
    audit_log,
    device_auth,
    evidence_pack,
    manifest,
    passport,
    ticket,
    withdrawal,
)
from attestation.documents import ContentType
from ownership_vouchers.algorithms import SoftSigner, VerifyKey
from ownership_vouchers.types import Guid

NOW = 1_800_000_000
GUID = Guid(bytes(range(16)))
OTHER_GUID = Guid(bytes(16))
DIGEST = "ab" * 32
SIGNER = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
STRANGER = SoftSigner(ec.generate_private_key(ec.SECP384R1()))
KEY: VerifyKey = SIGNER.public_key

PASSPORT = passport.Passport(GUID, bytes(32), "SN-1", "sbc", bytes(32), NOW)
TICKET = ticket.Ticket(GUID, DIGEST, NOW, NOW + 300, "decision-1")
MANIFEST = manifest.Manifest(
    "web", 3, manifest.ManifestKind.QUADLET, (("web.container", b"[Container]\n"),)
)
ORDER = withdrawal.RemovalOrder(GUID, DIGEST, "PCR 7 changed", NOW, bytes(16))
REMOVAL = withdrawal.RemovalReport(
    GUID, DIGEST, bytes(16), ("web.container",), (), NOW + 5
)
REPORT = withdrawal.DeviceReport(
    GUID, DIGEST, withdrawal.WorkloadStatus.APPLIED, ("web.container",), "ok", NOW
)
REQUEST = device_auth.DeviceRequest(
    b"challenge", GUID, device_auth.Purpose.WORKLOAD, b"body"
)


PACK = evidence_pack.EvidencePack(
    GUID, NOW, (b"voucher",), b"", None, ("{}",), (), (), (), (b"report",), (), (), b""
)
CHECKPOINT = audit_log.Checkpoint(bytes(32), 7, b"\x07" * 32, NOW)


@dataclass(frozen=True)
class Kind:
    """How one kind of document is signed and opened by whoever should."""

    value: object
    sign: Callable[[SoftSigner], bytes]
    open: Callable[[bytes, VerifyKey], object]


KINDS: dict[ContentType, Kind] = {
    ContentType.EVIDENCE_PACK: Kind(
        PACK,
        lambda signer: evidence_pack.sign_pack(PACK, signer),
        evidence_pack.open_pack,
    ),
    ContentType.CHECKPOINT: Kind(
        CHECKPOINT,
        lambda signer: audit_log.sign_checkpoint(CHECKPOINT, signer),
        audit_log.open_checkpoint,
    ),
    ContentType.PASSPORT: Kind(
        PASSPORT,
        lambda signer: passport.issue(PASSPORT, signer),
        passport.open_passport,
    ),
    ContentType.TICKET: Kind(
        TICKET,
        lambda signer: ticket.mint(TICKET, signer),
        lambda data, key: ticket.open_ticket(
            data, key, guid=GUID, manifest_digest=DIGEST, now=NOW
        ),
    ),
    ContentType.BUNDLE: Kind(
        manifest.Bundle(MANIFEST, MANIFEST.digest()),
        lambda signer: manifest.sign_bundle(MANIFEST, signer),
        manifest.open_bundle,
    ),
    ContentType.REMOVAL_ORDER: Kind(
        ORDER,
        lambda signer: withdrawal.sign_order(ORDER, signer),
        lambda data, key: withdrawal.open_order(data, key, guid=GUID),
    ),
    ContentType.REMOVAL_REPORT: Kind(
        REMOVAL,
        lambda signer: withdrawal.sign_removal_report(REMOVAL, signer),
        lambda data, key: withdrawal.open_removal_report(data, key, ORDER),
    ),
    ContentType.DEVICE_REPORT: Kind(
        REPORT,
        lambda signer: withdrawal.sign_report(REPORT, signer),
        lambda data, key: withdrawal.open_report(data, key, guid=GUID),
    ),
    ContentType.DEVICE_REQUEST: Kind(
        REQUEST,
        lambda signer: device_auth.sign_request(REQUEST, signer),
        lambda data, key: device_auth.open_request(
            data, key, device_auth.Purpose.WORKLOAD, GUID
        ),
    ),
}
