"""``fdo.csr`` on the device: a certificate of the owner's for a key made for it.

The key is made anew for each owner, in the TPM if there is one, and is not the device
key: whoever sees the certificate learns nothing of the voucher. What comes is kept as
``owner-cert.pem`` and ``owner-ca.pem``. Source: FIDO FDO ServiceInfo modules, fdo.csr.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from hw.keys import DeviceKey
from onboarding.device.config import write_private
from onboarding.device.csr import certificate_request
from onboarding.device.errors import DeviceError
from onboarding.device.modules.journal import Journal
from onboarding.protocol.fdo_csr import CERTS_ONLY
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor
from ownership_vouchers.keys import UNREADABLE, spki

CERTIFICATE, AUTHORITIES = "owner-cert.pem", "owner-ca.pem"
MAX_TEXT = 65535
MAX_AUTHORITIES = 8


class CsrModule:
    """Asks for the authorities, then for a certificate, and keeps both.

    Args:
        new_key: Makes the key to be certified, in place of the one before.
        common_name: What the request names; the owner may choose another.
    """

    name = "fdo.csr"

    def __init__(
        self,
        directory: Path,
        new_key: Callable[[], DeviceKey],
        common_name: str,
        journal: Journal | None = None,
    ) -> None:
        self._directory = directory
        self._new_key = new_key
        self._common_name = common_name
        self._journal = journal or Journal()
        self._key: DeviceKey | None = None
        self._authorities: tuple[x509.Certificate, ...] = ()

    def activated(self) -> Sequence[Message]:
        """Ask for the authorities first."""
        self._key, self._authorities = None, ()
        return [("cacerts-req", cbor.encode(CERTS_ONLY))]

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one answer.

        Raises:
            MalformedError: The value is not of the message's type.
            TpmError: The TPM makes no key.
        """
        item = cbor.decode(value)
        try:
            match message:
                case "cacerts-res":
                    return self._request(_der(item))
                case "simpleenroll-res":
                    return self._keep(_der(item))
                case "error":
                    number = cbor.uint(item, 16)
                    return self._give_up(f"the owner answers with error {number}")
        except (DeviceError, UnsupportedAlgorithm, *UNREADABLE) as error:
            return self._give_up(str(error))
        return []

    def _request(self, der: bytes) -> Sequence[Message]:
        if self._key is not None:
            return []
        found = tuple(pkcs7.load_der_pkcs7_certificates(der))
        if not 0 < len(found) <= MAX_AUTHORITIES:
            raise DeviceError(f"the owner names {len(found)} authorities")
        self._authorities, self._key = found, self._new_key()
        request = certificate_request(self._key, self._common_name)
        text = base64.b64encode(request).decode()
        return [("simpleenroll-req", cbor.encode(text))]

    def _keep(self, der: bytes) -> Sequence[Message]:
        if self._key is None:
            raise DeviceError("a certificate came that was not asked for")
        certificate = x509.load_der_x509_certificate(der)
        if spki(certificate.public_key()) != spki(self._key.public_key):  # type: ignore[arg-type]
            raise DeviceError("the certificate is for another key")
        if not any(_issued(certificate, one) for one in self._authorities):
            raise DeviceError("none of the owner's authorities issued the certificate")
        authorities = b"".join(_pem(one) for one in self._authorities)
        write_private(self._directory / AUTHORITIES, authorities)
        write_private(self._directory / CERTIFICATE, _pem(certificate))
        self._key = None
        subject = certificate.subject.rfc4514_string()
        self._journal.done(self.name, f"certificate for {subject}")
        return []

    def _give_up(self, why: str) -> Sequence[Message]:
        self._key = None
        self._journal.failed(self.name, why)
        return [("active", cbor.encode(False))]


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _der(item: object) -> bytes:
    try:
        return base64.b64decode(cbor.tstr(item, MAX_TEXT), validate=False)
    except binascii.Error as error:
        raise DeviceError("the owner's answer is not base64") from error


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
