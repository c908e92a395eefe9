"""What certificates say beyond what ``cryptography`` reads.

The TPM's maker, model and version in an endorsement key certificate, and the
name of a hardware module. Vendors write the first in three places. What is
returned is what the certificate *says*; who signed it is judged elsewhere.

Source: TCG EK Credential Profile 2.5, section 3.2; RFC 4108, section 5; RFC 5280.
"""

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import char, namedtype, univ
from pyasn1_modules import rfc5280  # type: ignore[import-untyped]

from ownership_vouchers.certified_names import HardwareModuleName, TpmAttributes
from ownership_vouchers.errors import MalformedError

MAX_CERTIFICATE = 16 * 1024

_TPM_MANUFACTURER = "2.23.133.2.1"
_TPM_MODEL = "2.23.133.2.2"
_TPM_VERSION = "2.23.133.2.3"
_TPM_NAMES = (_TPM_MANUFACTURER, _TPM_MODEL, _TPM_VERSION)
_SUBJECT_ALT_NAME = "2.5.29.17"
_SUBJECT_DIRECTORY_ATTRIBUTES = "2.5.29.9"
_HARDWARE_MODULE_NAME = "1.3.6.1.5.5.7.8.4"
_MAX_TEXT = 128

Pair = tuple[str, str]  # object identifier, text


class _HardwareModule(univ.Sequence):
    """HardwareModuleName; the library's brings three other standards with it."""

    componentType = namedtype.NamedTypes(
        namedtype.NamedType("hwType", univ.ObjectIdentifier()),
        namedtype.NamedType("hwSerialNum", univ.OctetString()),
    )


def tpm_attributes(certificate: x509.Certificate) -> TpmAttributes | None:
    """Return the TPM attributes of an EK certificate; None if it has none.

    They are looked for in the alternative name, then in the subject, then in
    the subject directory attributes; the first place that has any counts.

    Raises:
        MalformedError: One of these places cannot be read.
    """
    tbs = _tbs(certificate)
    for place in (_alternative_name_pairs, _subject_pairs, _directory_pairs):
        found = {oid: text for oid, text in place(tbs) if oid in _TPM_NAMES}
        if found:
            return TpmAttributes(*(found.get(oid) for oid in _TPM_NAMES))
    return None


def hardware_module_name(certificate: x509.Certificate) -> HardwareModuleName | None:
    """Return the hardwareModuleName of the alternative name; None without one.

    Raises:
        MalformedError: The alternative name cannot be read.

    Source: RFC 4108, section 5; IEEE 802.1AR, section 8.10.4.
    """
    for name in _general_names(_tbs(certificate)):
        if name.getName() != "otherName":
            continue
        other = name["otherName"]
        if str(other["type-id"]) != _HARDWARE_MODULE_NAME:
            continue
        module = _decode(bytes(other["value"]), _HardwareModule())
        return HardwareModuleName(str(module["hwType"]), bytes(module["hwSerialNum"]))
    return None


def _tbs(certificate: x509.Certificate) -> univ.Sequence:
    der = certificate.public_bytes(Encoding.DER)
    if len(der) > MAX_CERTIFICATE:
        raise MalformedError(f"certificate over {MAX_CERTIFICATE} bytes")
    decoded = _decode(der, rfc5280.Certificate())
    tbs: univ.Sequence = decoded["tbsCertificate"]
    return tbs


def _decode(der: bytes, spec: univ.Sequence) -> univ.Sequence:
    """Decode exactly one DER value of the kind ``spec``."""
    try:
        value, rest = decoder.decode(der, asn1Spec=spec)
    except PyAsn1Error as error:
        raise MalformedError("not the DER structure it should be") from error
    if rest:
        raise MalformedError(f"{len(rest)} bytes after a DER structure")
    decoded: univ.Sequence = value
    return decoded


def _extension(tbs: univ.Sequence, oid: str) -> bytes | None:
    extensions = tbs["extensions"]
    if not extensions.isValue:
        return None
    for one in extensions:
        if str(one["extnID"]) == oid:
            return bytes(one["extnValue"])
    return None


def _general_names(tbs: univ.Sequence) -> Iterator[univ.Choice]:
    der = _extension(tbs, _SUBJECT_ALT_NAME)
    if der is not None:
        yield from _decode(der, rfc5280.SubjectAltName())


def _alternative_name_pairs(tbs: univ.Sequence) -> Iterator[Pair]:
    for name in _general_names(tbs):
        if name.getName() == "directoryName":
            yield from _name_pairs(name["directoryName"])


def _subject_pairs(tbs: univ.Sequence) -> Iterator[Pair]:
    return _name_pairs(tbs["subject"])


def _name_pairs(name: univ.Choice) -> Iterator[Pair]:
    """Read a distinguished name; vendors put one or all attributes in a set."""
    for relative in name["rdnSequence"]:
        for attribute in relative:
            text = _text(bytes(attribute["value"]))
            if text is not None:
                yield str(attribute["type"]), text


def _directory_pairs(tbs: univ.Sequence) -> Iterator[Pair]:
    der = _extension(tbs, _SUBJECT_DIRECTORY_ATTRIBUTES)
    if der is None:
        return
    for attribute in _decode(der, rfc5280.SubjectDirectoryAttributes()):
        for value in attribute["values"]:
            text = _text(bytes(value))
            if text is not None:
                yield str(attribute["type"]), text


def _text(der: bytes) -> str | None:
    """Return the text of any ASN.1 string kind; None for anything else."""
    try:
        value, _ = decoder.decode(der)
    except PyAsn1Error:
        return None
    if not isinstance(value, char.AbstractCharacterString):
        return None
    return str(value)[:_MAX_TEXT]
