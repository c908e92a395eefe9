"""What a binding is worth, and why one is refused."""

from enum import StrEnum, unique

from attestation.ek_verdict import EkCode
from attestation.errors import Refused


@unique
class BindingClass(StrEnum):
    """What was shown about where a device's keys live."""

    TPM_BOUND = "tpm-bound"  # EK, AK and device key are in one TPM
    KEY_OUTSIDE_TPM = "key-outside-tpm"  # EK and AK are; the device key is not
    UNBOUND = "unbound"  # nothing was shown: no TPM, or no binding


@unique
class BindingCode(StrEnum):
    """Why a binding is refused, beside the reasons that an EK is refused for."""

    MALFORMED = "binding-malformed"
    NOT_AN_EK = "ek-not-an-endorsement-key"
    EK_KIND = "ek-kind-without-passport"
    NOT_AN_AK = "ak-not-restricted"
    AK_ALG = "ak-algorithm-not-asked-for"
    NOT_A_DAK = "device-key-exportable"
    DAK_NOT_THE_VOUCHERS = "device-key-not-the-vouchers"
    PASSPORT_OF_ANOTHER = "passport-of-another-device"
    NOT_CERTIFIED = "device-key-not-certified"
    NOT_ACTIVATED = "credential-not-activated"
    IDENTITY_FALSE = "identity-not-of-this-tpm"


class BindingRefused(Refused):
    """The three keys were not shown to be in one TPM that we know."""

    code: BindingCode | EkCode


def malformed(error: Exception) -> BindingRefused:
    """What a decoder's error becomes."""
    return BindingRefused(
        BindingCode.MALFORMED,
        f"the device's message cannot be read: {error}",
        "update the device's agent; if it stays so, read its log",
    )
