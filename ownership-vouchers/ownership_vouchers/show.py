"""A voucher as people and programs like to read it."""

from cryptography import x509

from ownership_vouchers.device_chain import chain_holds
from ownership_vouchers.entry import Entry
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import PublicKey, load_certificate
from ownership_vouchers.rv_values import RvVariable
from ownership_vouchers.types import HashType
from ownership_vouchers.voucher import Voucher

_SECRET = RvVariable.WIFI_PW.name.lower()


def describe(voucher: Voucher) -> dict[str, object]:
    """Return what a voucher says, ready for JSON; nothing of it is verified.

    Bytes are hexadecimal, keys are named by the SHA-256 of their
    SubjectPublicKeyInfo, and a Wi-Fi password is only said to be there.
    """
    header = voucher.header
    chain_hash = header.cert_chain_hash
    return {
        "guid": str(voucher.guid),
        "protocol_version": voucher.protver,
        "device_info": header.device_info,
        "rendezvous": [_without_secret(one) for one in header.rv_info.describe()],
        "manufacturer_key": describe_key(header.manufacturer_key),
        "owner_key": describe_key(voucher.owner_key),
        "hmac": {"type": voucher.hmac.type.name, "value": voucher.hmac.value.hex()},
        "cert_chain_hash": None
        if chain_hash is None
        else {"type": chain_hash.type.name, "value": chain_hash.value.hex()},
        "device_certificates": [
            describe_certificate(one) for one in voucher.cert_chain or ()
        ],
        "entries": [_entry(i, one) for i, one in enumerate(voucher.entries)],
        "size": len(voucher.raw),
    }


def describe_key(key: PublicKey) -> dict[str, object]:
    """Return type, encoding, algorithm and fingerprint of a key."""
    described: dict[str, object] = {
        "type": key.type.name,
        "encoding": key.encoding.name,
        "algorithm": key.alg.name,
        "fingerprint": key.fingerprint(),
    }
    if key.chain:
        described["chain"] = [one.subject.rfc4514_string() for one in key.chain]
        described["chain_holds"] = chain_holds(key.chain)
    return described


def describe_certificate(der: bytes) -> dict[str, object]:
    """Return who a certificate names and when; ``error`` if it cannot be read."""
    try:
        return _certificate(load_certificate(der))
    except VoucherError as error:
        return {"error": str(error)}


def _certificate(certificate: x509.Certificate) -> dict[str, object]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }


def _entry(index: int, entry: Entry) -> dict[str, object]:
    kind = entry.prev_hash.type
    known = HashType(kind).name if kind in set(HashType) else str(kind)
    extra = entry.extra
    return {
        "index": index,
        "owner_key": describe_key(entry.public_key),
        "hash": known,
        "extra": None
        if extra is None
        else {str(key): value.hex() for key, value in extra.items()},
    }


def _without_secret(directive: dict[str, object]) -> dict[str, object]:
    return {
        name: "(set)" if name == _SECRET else value for name, value in directive.items()
    }
