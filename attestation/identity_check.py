"""Is the IAK in the TPM that holds the AK, and who says which device that is?

The IAK certifies the AK over a fresh nonce, so that both are in one TPM; the AK is tied
to the EK by the binding itself. A false identity ends the binding; one whose maker is
not known is kept as that.
Source: TCG, "TPM 2.0 Keys for Device Identity and Attestation" 1.00, sections 5 and 8.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.binding_codes import BindingCode, BindingRefused, malformed
from attestation.ca_path import PathSearch
from attestation.device_identity import (
    BoundIdentity,
    IdentityClass,
    IdentityEvidence,
    ShownKey,
)
from attestation.ek_root import told
from attestation.odd_certificate import read_certificate
from hw.errors import EvidenceError, StructureError
from hw.public_area import PublicArea
from hw.quote import check_certify
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import certificate_key, load_certificate, spki

AIK_PURPOSE = x509.ObjectIdentifier("2.23.133.8.3")  # tcg-kp-AIKCertificate
_REMEDY = "have the maker certify this TPM's own IAK, or clear its certificates from NV"


def check_identity(
    evidence: IdentityEvidence,
    ak: PublicArea,
    qualifying: bytes,
    authorities: Sequence[x509.Certificate],
    now: int,
) -> BoundIdentity:
    """Check the IAK's statement on the AK, and who certified the IAK.

    Args:
        authorities: CAs of device makers; self-signed ones are anchors.
        now: Seconds since 1970, UTC.

    Raises:
        BindingRefused: IDENTITY_FALSE, or MALFORMED.
    """
    iak, leaf = _certified(evidence.iak)
    _require_statement(iak, ak, evidence, qualifying)
    if evidence.idevid is not None:
        _certified(evidence.idevid)
    reason = _doubt(leaf, evidence.iak.chain, authorities, now)
    klass = IdentityClass.UNKNOWN_MAKER if reason else IdentityClass.FACTORY_TRUSTED
    subject = told(leaf.subject)
    return BoundIdentity(klass, reason, subject, evidence.iak, evidence.idevid)


def _certified(shown: ShownKey) -> tuple[PublicArea, x509.Certificate]:
    """A key, and the certificate that must be of it."""
    try:
        area = PublicArea.from_bytes(shown.public)
        leaf = load_certificate(shown.certificate)
        same = spki(certificate_key(leaf)) == spki(area.key)
    except (StructureError, VoucherError) as error:
        raise malformed(error) from error
    if not same:
        raise _false("a factory certificate is of another key than the one shown")
    return area, leaf


def _require_statement(
    iak: PublicArea, ak: PublicArea, evidence: IdentityEvidence, qualifying: bytes
) -> None:
    signed = evidence.message, evidence.signature
    try:
        check_certify(iak, ak, *signed, qualifying)
    except StructureError as error:
        raise malformed(error) from error
    except EvidenceError as error:
        raise _false(f"the IAK is not shown to be in the AK's TPM: {error}") from error


def _doubt(
    leaf: x509.Certificate,
    chain: Sequence[bytes],
    authorities: Sequence[x509.Certificate],
    now: int,
) -> str:
    """Why the IAK's certificate says nothing; empty when it does say who made this."""
    for extension in leaf.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return "the IAK certificate is a CA's"
        if isinstance(value, x509.ExtendedKeyUsage) and AIK_PURPOSE not in value:
            return "the IAK certificate is not for an attestation key"
    anchors = [one for one in authorities if one.issuer == one.subject]
    others = [one for one in authorities if one.issuer != one.subject]
    at = datetime.fromtimestamp(now, UTC)
    try:
        between = [*map(load_certificate, chain), *others]
        read = read_certificate(leaf.public_bytes(Encoding.DER))
        found = PathSearch(anchors, between, at, AIK_PURPOSE).path_of(read)
    except VoucherError:
        found = None
    if found is None:
        return f"no valid path from {told(leaf.issuer)} to a CA of device makers"
    return ""


def _false(sentence: str) -> BindingRefused:
    return BindingRefused(BindingCode.IDENTITY_FALSE, sentence, _REMEDY)
