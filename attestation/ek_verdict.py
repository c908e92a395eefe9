"""What can be said of an endorsement key, without what it takes to find out.

A device's agent reads and writes these words, too, and has no certificates to judge.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.errors import AttestationError
from ownership_vouchers.certified_names import TpmAttributes

MAX_CERTIFICATE = 8192  # bytes
MAX_INTERMEDIATES = 4


@unique
class EkClass(StrEnum):
    """How far an endorsement key is trusted."""

    VENDOR_TRUSTED = "vendor-trusted"
    PASSPORT_TRUSTED = "passport-trusted"
    ACCEPTED_ONCE = "accepted-once"
    NO_CERTIFICATE = "no-certificate"
    REFUSED = "refused"


@unique
class EkCode(StrEnum):
    """What can be wrong with an endorsement key or its certificate."""

    CERTIFICATE_MISSING = "ek-certificate-missing"
    CERTIFICATE_UNREADABLE = "ek-certificate-unreadable"
    CERTIFICATE_OF_ANOTHER_KEY = "ek-certificate-of-another-key"
    CERTIFICATE_WRONG_PURPOSE = "ek-certificate-wrong-purpose"
    CERTIFICATE_DATES = "ek-certificate-not-valid-now"
    CERTIFICATE_NO_PATH = "ek-certificate-no-path"
    CERTIFICATE_REVOKED = "ek-certificate-revoked"
    CRL_MISSING = "ek-crl-missing"
    CRL_EXPIRED = "ek-crl-expired"
    PASSPORT_MISMATCH = "ek-not-the-passports"
    REFUSED_BY_HAND = "ek-refused-by-hand"


@dataclass(frozen=True, slots=True)
class EkReason:
    """A finding: stable code, what is wrong, and what would mend it."""

    code: EkCode
    sentence: str
    remedy: str


@unique
class EkNoteCode(StrEnum):
    """What is kept of a judgement beside its class: oddities, and what was not seen."""

    BYTES_AFTER = "odd-bytes-after-certificate"
    LONG_LENGTH = "odd-length-not-shortest"
    INDEFINITE_LENGTH = "odd-length-indefinite"
    LONG_INTEGER = "odd-number-not-shortest"
    SERIAL_NEGATIVE = "odd-serial-negative"
    SERIAL_ZERO = "odd-serial-zero"
    SERIAL_LONG = "odd-serial-over-20-bytes"
    BOOLEAN = "odd-truth-value"
    DEFAULT_WRITTEN = "odd-default-written-out"
    SET_ORDER = "odd-set-out-of-order"
    UNUSED_BITS = "odd-unused-bits-set"
    TIME = "odd-time"
    KEY_FOR_OAEP = "odd-key-marked-for-oaep"
    NULL_AFTER = "odd-null-after-algorithm"
    NAME_UNREADABLE = "odd-alternative-name-unreadable"
    FROM_DEVICE = "intermediate-from-device"
    NOT_FETCHED = "issuer-not-fetched"
    CRL_CHECKED = "crl-checked"
    CRL_NONE = "crl-none"
    CRL_STALE = "crl-stale"


@dataclass(frozen=True, slots=True)
class EkNote:
    """One of these, in words."""

    code: EkNoteCode
    sentence: str


@dataclass(frozen=True, slots=True)
class EkVerdict:
    """The class, what spoke against a better one, and the chain's subjects.

    ``tpm`` is what the certificate says of the TPM, where its path is whole.
    ``store`` is the digest of the trust store that was asked; empty if none was.
    """

    klass: EkClass
    reasons: tuple[EkReason, ...] = ()
    chain: tuple[str, ...] = ()
    tpm: TpmAttributes | None = None
    notes: tuple[EkNote, ...] = ()
    store: bytes = b""


class CertificateFault(AttestationError):
    """The certificate does not make its key a vendor's endorsement key.

    ``fatal``: it is brought forward falsely, so nothing else may mend it.
    """

    def __init__(
        self, code: EkCode, sentence: str, remedy: str, *, fatal: bool = False
    ) -> None:
        super().__init__(f"{code.value}: {sentence}")
        self.reason = EkReason(code, sentence, remedy)
        self.fatal = fatal
