"""The EK certificate that a device brings: read, or refused with what cannot be."""

from attestation.ek_verdict import CertificateFault, EkCode
from attestation.odd_certificate import ReadCertificate, read_certificate
from ownership_vouchers.errors import MalformedError


def read_leaf(data: bytes) -> ReadCertificate:
    """Read an EK certificate, DER or nearly so.

    Raises:
        CertificateFault: CERTIFICATE_UNREADABLE, with what cannot be read.
    """
    try:
        return read_certificate(data)
    except MalformedError as error:
        raise unreadable(str(error)) from error


def unreadable(why: str) -> CertificateFault:
    """The refusal of what is no certificate."""
    return CertificateFault(
        EkCode.CERTIFICATE_UNREADABLE,
        f"the EK certificate cannot be read: {why}",
        "read the certificate from the TPM again; ask its vendor if it stays so",
        fatal=True,
    )
