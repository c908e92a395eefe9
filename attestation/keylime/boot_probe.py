"""Whether a verifier judges event logs by our engine: asked by a boot it must refuse.

With another engine a verifier would pass any boot, or judge it by another document than
ours, and its answers about agents do not tell. So it is shown a boot of one event, with
a quote by a key made for it, and a reference that lists another event. Only our engine
refuses that, and for that reason alone.
"""

import hashlib
import secrets
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.keylime.answers import Answer
from attestation.keylime.boot_reference import NOT_LISTED, BootReference
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.evidence import MEASURED_BOOT_PCRS, Evidence
from attestation.keylime.readers import read_failure
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from hw.algorithms import HashAlg
from hw.eventlog_types import EventType
from hw.log_hashes import SHA256
from hw.pcr_blob import build_pcr_blob
from hw.public_area import UNEXPORTABLE, TpmaObject

_PCR, _SAYS = 7, b"Vouchgate asks by whom logs are judged"
_MEASURED = hashlib.sha256(_SAYS).digest()
_ECDSA_SHA256 = bytes.fromhex("0018000b")
_MAX_FAILURES = 64


def require_engine(client: KeylimeClient) -> None:
    """Ask the verifier of ``client`` once.

    Raises:
        KeylimeError: No answer, or it judges logs in another way.
    """
    body = _evidence(_another()).request()
    _, answer = client.verifier("POST", "/v2.6/verify/evidence", {200}, body)
    results = Answer.parse("verify evidence", answer).at("results")
    failures = results.at("failures").items(_MAX_FAILURES)
    found = {read_failure(one).type for one in failures}
    if results.at("valid").boolean() or found != {NOT_LISTED}:
        raise KeylimeError(
            "the verifier does not judge event logs by Vouchgate's engine, so nothing"
            " is known of what booted: see measured_boot_imports in its configuration"
        )


def _another() -> BootReference:
    """A reference that has another digest than what is measured."""
    event = ReferenceEvent("EV_ACTION", "00" * 32, "what is never measured")
    boot = ReferenceBoot("probe", {_PCR: (event,)})
    return BootReference("sha256", MeasuredBoot((boot,)))


def _evidence(reference: BootReference) -> Evidence:
    key, nonce = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32)
    values = dict.fromkeys(sorted(MEASURED_BOOT_PCRS), bytes(32))
    values[_PCR] = hashlib.sha256(bytes(32) + _MEASURED).digest()
    message = _quote(nonce, values)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return Evidence(
        nonce,
        _public(key.public_key()),
        b"none",
        message,
        _ECDSA_SHA256 + _sized(r.to_bytes(32)) + _sized(s.to_bytes(32)),
        build_pcr_blob(HashAlg.SHA256, values),
        {_PCR: (values[_PCR].hex(),)},
        uefi_log=_log(),
        reference_state=reference.text,
    )


def _log() -> bytes:
    """One event, after that which says that the log has a bank of SHA-256."""
    spec = b"Spec ID Event03\0" + bytes(4) + b"\0\2\0\2"
    spec += struct.pack("<IHHB", 1, SHA256, 32, 0)
    first = struct.pack("<II20sI", 0, EventType.EV_NO_ACTION, b"", len(spec)) + spec
    event = struct.pack("<IIIH", _PCR, EventType.EV_ACTION, 1, SHA256) + _MEASURED
    return first + event + struct.pack("<I", len(_SAYS)) + _SAYS


def _quote(nonce: bytes, values: dict[int, bytes]) -> bytes:
    """TPMS_ATTEST of a quote: part 2, section 10.12.12."""
    head = struct.pack(">IH", 0xFF544347, 0x8018)
    signer = _sized(HashAlg.SHA256.to_bytes(2) + bytes(32))
    clock = bytes(8 + 4 + 4) + b"\1" + bytes(8)
    mask = sum(1 << pcr for pcr in values).to_bytes(3, "little")
    selected = struct.pack(">IHB", 1, HashAlg.SHA256, 3) + mask
    digest = HashAlg.SHA256.digest(*values.values())
    return head + signer + _sized(nonce) + clock + selected + _sized(digest)


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    """TPM2B_PUBLIC of a key that says it is an AK: no TPM holds it."""
    attributes = UNEXPORTABLE | TpmaObject.RESTRICTED | TpmaObject.SIGN
    head = struct.pack(">HHI", 0x0023, HashAlg.SHA256, attributes) + _sized(b"")
    kinds = bytes.fromhex("0010") + _ECDSA_SHA256 + bytes.fromhex("00030010")
    point = key.public_numbers()
    unique = _sized(point.x.to_bytes(32)) + _sized(point.y.to_bytes(32))
    return _sized(head + kinds + unique)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data
