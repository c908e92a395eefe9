"""What may be known of a key without opening it."""

from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.services.key_material import KeyAlgorithm


@unique
class KeyKind(StrEnum):
    """What a key is for; it is used for nothing else."""

    OWNER = "owner"
    MANUFACTURER = "manufacturer"
    DEVICE_CA = "device-ca"


@unique
class Custody(StrEnum):
    """Where a private key lives."""

    FILE = "file"
    PKCS11 = "pkcs11"
    TPM = "tpm"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a key file says without its passphrase.

    ``fingerprint`` is the SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal
    digits. ``certificate_pem`` is the key's own certificate, and those above a device
    CA's; files of before have one for a device CA only. ``uri`` names a private key
    that is not in the file: in a token as RFC 7512 does, in a TPM as ``tpm:name=``
    and its name, 68 hexadecimal digits.
    """

    name: str
    kind: KeyKind
    algorithm: KeyAlgorithm
    fingerprint: str
    public_pem: str
    certificate_pem: str | None
    uri: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError: the URI is of a scheme that this version does not know."""
        _ = self.custody

    @property
    def custody(self) -> Custody:
        return Custody.FILE if self.uri is None else Custody(self.uri.partition(":")[0])

    @property
    def certificates(self) -> int:
        """How many certificates there are: a device CA's own, and those above it."""
        return (self.certificate_pem or "").count("-----BEGIN CERTIFICATE-----")
