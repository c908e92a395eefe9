"""The device's certificate chain: whole, made by authorities, and ours.

Dates are left alone, because a device may have no clock and its certificate
outlives most. Source: FDO 1.1, sections 3.4.2 and 3.4.6; RFC 5280, section 6.1.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ownership_vouchers.algorithms import alg_for
from ownership_vouchers.errors import Check, CheckFailed, VoucherError
from ownership_vouchers.keys import UNREADABLE, certificate_key, load_certificate

_T = TypeVar("_T", bound=x509.ExtensionType)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def check_device_chain(
    chain: Sequence[bytes], roots: Sequence[x509.Certificate] | None
) -> None:
    """Check a chain of DER certificates, the device's own first.

    Args:
        roots: One of these must be the chain's last certificate, or have issued
            it. None: the last certificate is trusted as it is.

    Raises:
        CheckFailed: ``device_chain``; says what is wrong.
    """
    if not chain:
        raise _refused("no device certificate")
    try:
        certificates = [load_certificate(chain[0]), *map(_authority, chain[1:])]
        alg_for(certificate_key(certificates[0]))
    except VoucherError as error:
        raise _refused(str(error)) from error
    _check_leaf(certificates[0])
    if len(certificates) > 1:
        _check_issued(certificates[0], certificates[1])
    check_authorities(certificates[1:])
    if roots is not None:
        _check_anchored(certificates, roots)


def check_authorities(authorities: Sequence[x509.Certificate]) -> None:
    """Check that each may stand above those before it, and that the next issued it.

    Args:
        authorities: The one that issues device certificates first.

    Raises:
        CheckFailed: ``device_chain``; says what is wrong.
    """
    for below, one in enumerate(authorities):
        _check_authority(one, below)
        if below:
            _check_issued(authorities[below - 1], one)


def chain_holds(certificates: Sequence[x509.Certificate]) -> bool:
    """Say whether each certificate was issued by the next. Trust is not asked."""
    try:
        for below, issuer in enumerate(certificates[1:]):
            _check_authority(issuer, below)
            _check_issued(certificates[below], issuer)
    except CheckFailed:
        return False
    return True


@lru_cache(maxsize=64)
def _authority(der: bytes) -> x509.Certificate:
    """Device authorities are few, and their devices many: read one once."""
    return load_certificate(der)


def _check_leaf(leaf: x509.Certificate) -> None:
    usage = _extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise _refused("the device's certificate is not for signatures")


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """``below`` counts the authorities between it and the device."""
    basic = _extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.ca:
        raise _refused("an issuer that is no certificate authority")
    if basic.path_length is not None and basic.path_length < below:
        raise _refused("more authorities in line than one of them allows")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise _refused("an issuer that must not sign certificates")


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        if not isinstance(certificate.signature_hash_algorithm, _HASHES):
            raise _refused("a certificate signed over a hash that is not taken")
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise _refused("a certificate the next one did not issue") from error


def _check_anchored(
    certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> None:
    last = certificates[-1]
    der = last.public_bytes(Encoding.DER)
    if any(der == root.public_bytes(Encoding.DER) for root in roots):
        return
    for root in roots:
        if _issued(last, root, len(certificates) - 1):
            return
    raise _refused("no authority that we trust issued it")


def _issued(last: x509.Certificate, root: x509.Certificate, below: int) -> bool:
    try:
        _check_authority(root, below)
        _check_issued(last, root)
    except CheckFailed:
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as error:  # a root's: those of a chain have been read
        raise _refused("extensions that cannot be read") from error


def _refused(reason: str) -> CheckFailed:
    return CheckFailed(Check.DEVICE_CHAIN, reason)
