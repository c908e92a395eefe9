"""Writes the bodies that the OpenAPI document shows as files. All keys are TEST KEYS.

``python -m tests.support.specimens onboarding/services/api/specimens.json``
"""

import json
import sys
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation import audit_log, device_auth, evidence_pack, passport
from attestation.ek_bundle import EkBundle
from onboarding.services.api.examples import GUID as SHOWN
from ownership_vouchers import cbor
from ownership_vouchers.keys import spki
from ownership_vouchers.types import Guid
from tests.support.documents import CHECKPOINT, DIGEST, NOW, PACK, PASSPORT, SIGNER
from tests.support.ek_authority import Issuer, name
from tests.support.workshop import Workshop

GUID = Guid.parse(SHOWN)
Body = dict[str, object]
TICKET, LINES = "sealed", b"10 c1d2 ima-ng sha256:00 /usr/bin/true\n"
REQUESTS: dict[str, Body] = {
    "attest_challenge": {},
    "attest_log": {"ima_first": 0, "ima_after": b"", "ima_log": LINES},
    "attest": {
        "ticket": TICKET,
        "message": b"\xffTCG\x80\x18",
        "signature": b"\x00\x18\x00\x0b",
        "pcr_blob": bytes(32),
    },
    "enrol": {},
    "enrol_proof": {"auth_tag": "00" * 48, "ticket": TICKET},
    "keylime_session": {},
    "workload": {"installed": bytes.fromhex(DIGEST)},
    "report": {"report": b"\xd2\x84"},
}
ANSWERS: dict[str, Body] = {
    "attest_challenge": {
        "nonce": bytes(32),
        "ticket": TICKET,
        "bank": "sha256",
        "pcrs": [0, 7],
        "ima": False,
        "uefi": False,
        "policy": "gateway-boot",
        "version": 2,
        "expires": NOW + 60,
        "optional_logs": [],
    },
    "attest_log": {"entries": 1, "bytes": len(LINES), "pcr": bytes(32)},
    "attest": {
        "verdict": "passed",
        "appraisal": "6f1d",
        "lease_expires": NOW + 900,
        "compared": ["pcr:sha256:7"],
        "failures": [],
    },
    "enrol": {
        "agent_id": str(GUID),
        "id_object": b"\x00\x20",
        "encrypted_secret": b"\x00\x20",
        "ticket": TICKET,
    },
    "enrol_proof": {"agent_id": str(GUID), "enrolled": True},
    "keylime_session": {"session": TICKET, "expires": NOW + 300},
    "workload": {"unchanged": True, "manifest_digest": DIGEST},
    "report": {"state": "released", "removal": None},
}


def _request(route: str) -> bytes:
    purpose = device_auth.Purpose(route.partition("_")[0])
    body = cbor.encode(REQUESTS[route])
    asked = device_auth.DeviceRequest(b"challenge", GUID, purpose, body)
    return device_auth.sign_request(asked, SIGNER)


def _csr() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("Device CA"))
    key = ec.generate_private_key(ec.SECP256R1())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def made() -> dict[str, bytes]:
    """Return each by its name, with keys that are made for it."""
    authority = Issuer("Example TPM CA")
    certificate = authority.certificate.public_bytes(Encoding.DER)
    crl = authority.crl()
    files = {
        "signer": spki(SIGNER.public_key),
        "voucher": Workshop().bend(),
        "passport": passport.issue(replace(PASSPORT, guid=GUID), SIGNER),
        "checkpoint": audit_log.sign_checkpoint(CHECKPOINT, SIGNER),
        "evidence_pack": evidence_pack.sign_pack(replace(PACK, guid=GUID), SIGNER),
        "device_ca_request": _csr(),
        "ek_crls": x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM),
        "ek_bundle": EkBundle.of("vendors", "2026-06", [certificate], [crl]).encode(),
        "upload": b"4c4c4544-0042\n",
    }
    files |= {f"{route}_request": _request(route) for route in REQUESTS}
    return files | {f"{r}_answer": cbor.encode(b) for r, b in ANSWERS.items()}


def main(path: str) -> None:
    """Write them to a file, base64."""
    shown = {key: b64encode(data).decode() for key, data in made().items()}
    Path(path).write_text(json.dumps(shown, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
