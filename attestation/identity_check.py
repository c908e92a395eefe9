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
    IakStatement,
    IdentityClass,
    IdentityEvidence,
    ShownKey,
    identity_data,
)
from attestation.ek_root import told
from attestation.odd_certificate import read_certificate
from hw.errors import EvidenceError, StructureError
from hw.public_area import PublicArea
from hw.quote import check_certify
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import certificate_key, load_certificate, spki
from ownership_vouchers.types import Guid

AIK_PURPOSE = x509.ObjectIdentifier("2.23.133.8.3")  # tcg-kp-AIKCertificate
_REMEDY = "have the maker certify this TPM's own IAK, or clear its certificates from NV"


def check_identity(
    evidence: IdentityEvidence,
    ak: PublicArea,
    nonce: bytes,
    guid: Guid,
    authorities: Sequence[x509.Certificate],
    now: int,
) -> BoundIdentity:
    """Check the IAK's statement on the AK, and who certified the IAK.

    Args:
        nonce, guid: What it was asked over, and the device by its voucher.
        authorities: CAs of device makers; self-signed ones are anchors.
        now: Seconds since 1970, UTC.

    Raises:
        BindingRefused: IDENTITY_FALSE, or MALFORMED.
    """
    iak, leaf = _certified(evidence.iak)
    said = IakStatement(nonce, evidence.message, evidence.signature)
    _require_statement(iak, ak, said, guid)
    if evidence.idevid is not None:
        _certified(evidence.idevid)
    shown = leaf, evidence.iak.chain
    reason, path = _doubt(leaf) or _path(*shown, authorities, now)
    return BoundIdentity(
        IdentityClass.UNKNOWN_MAKER if reason else IdentityClass.FACTORY_TRUSTED,
        reason,
        told(leaf.subject),
        evidence.iak,
        evidence.idevid,
        (*(one for one in path[:-1] if one not in evidence.iak.chain), *path[-1:]),
        said,
    )


def check_kept(
    identity: BoundIdentity, ak: PublicArea, guids: Sequence[Guid], at: int
) -> x509.Certificate | None:
    """Check again what ``check_identity`` found ``at`` that time, from what is kept.

    Args:
        guids: Those that the device had.

    Returns:
        The CA that the verdict rests on, for whoever asks to trust it or not; None of
        an unknown maker.

    Raises:
        BindingRefused: It is not as it says.
    """
    iak, leaf = _certified(identity.iak)
    if identity.said is None:
        raise _false("what the IAK signed was not kept")
    _require_one(iak, ak, identity.said, guids)
    if identity.idevid is not None:
        _certified(identity.idevid)
    if identity.subject != told(leaf.subject):
        raise _false("the IAK certificate is of another subject")
    if identity.klass is IdentityClass.UNKNOWN_MAKER:
        return None
    kept = [_loaded(one) for one in identity.authorities]
    reason, _ = _doubt(leaf) or _path(leaf, identity.iak.chain, kept, at)
    if reason:
        raise _false(reason)
    return kept[-1]


def _require_one(
    iak: PublicArea, ak: PublicArea, said: IakStatement, guids: Sequence[Guid]
) -> None:
    """The statement was asked for under one of these GUIDs."""
    refused = _false("no GUID of the device is known")
    for guid in guids:
        try:
            return _require_statement(iak, ak, said, guid)
        except BindingRefused as error:
            refused = error
    raise refused


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
    iak: PublicArea, ak: PublicArea, said: IakStatement, guid: Guid
) -> None:
    qualifying = identity_data(said.nonce, guid)
    try:
        check_certify(iak, ak, said.message, said.signature, qualifying)
    except StructureError as error:
        raise malformed(error) from error
    except EvidenceError as error:
        raise _false(f"the IAK is not shown to be in the AK's TPM: {error}") from error


_Found = tuple[str, tuple[bytes, ...]]  # why not, else the path above the leaf (DER)


def _doubt(leaf: x509.Certificate) -> _Found | None:
    """Why the IAK's certificate says nothing, whoever issued it."""
    for extension in leaf.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return "the IAK certificate is a CA's", ()
        if isinstance(value, x509.ExtendedKeyUsage) and AIK_PURPOSE not in value:
            return "the IAK certificate is not for an attestation key", ()
    return None


def _path(
    leaf: x509.Certificate,
    chain: Sequence[bytes],
    authorities: Sequence[x509.Certificate],
    now: int,
) -> _Found:
    """Who says that the IAK is of a device of theirs, if that leads to a CA here."""
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
        return f"no valid path from {told(leaf.issuer)} to a CA of device makers", ()
    return "", tuple(one.public_bytes(Encoding.DER) for one in found[1:])


def _loaded(der: bytes) -> x509.Certificate:
    try:
        return load_certificate(der)
    except VoucherError as error:
        raise malformed(error) from error


def _false(sentence: str) -> BindingRefused:
    return BindingRefused(BindingCode.IDENTITY_FALSE, sentence, _REMEDY)
