"""What can be said of an endorsement key, without what it takes to find out.

A device's agent reads and writes these words, too, and has no certificates to judge.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

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
    PASSPORT_MISMATCH = "ek-not-the-passports"
    REFUSED_BY_HAND = "ek-refused-by-hand"


@dataclass(frozen=True, slots=True)
class EkReason:
    """A finding: stable code, what is wrong, and what would mend it."""

    code: EkCode
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class EkVerdict:
    """The class, what spoke against a better one, and the chain's subjects.

    ``tpm`` is what the certificate says of the TPM, where its path is whole.
    """

    klass: EkClass
    reasons: tuple[EkReason, ...] = ()
    chain: tuple[str, ...] = ()
    tpm: TpmAttributes | None = None
