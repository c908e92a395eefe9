"""Why a voucher, or a part of one, is refused."""

from enum import StrEnum, unique


@unique
class Check(StrEnum):
    """The checks a voucher passes through; a refusal names one of them."""

    PROTOCOL_VERSION = "protocol_version"
    DEVICE_INFO = "device_info"
    RV_INFO = "rv_info"
    HEADER_HMAC = "header_hmac"
    CERT_CHAIN_HASH = "cert_chain_hash"
    DEVICE_CHAIN = "device_chain"
    MFG_KEY_HASH = "mfg_key_hash"
    ENTRIES = "entries"
    KEY_TYPES = "key_types"
    KEY_CHAINS = "key_chains"
    OWNER_KEY = "owner_key"
    LIMITS = "limits"


class VoucherError(Exception):
    """Root of everything this package raises."""


class MalformedError(VoucherError):
    """The bytes are not the structure they should be."""


class SignatureError(VoucherError):
    """A COSE signature, or the algorithm it claims, does not fit the key."""


class DecryptError(VoucherError):
    """What was encrypted does not open under the key and algorithm agreed on."""


class UnsupportedKeyError(VoucherError):
    """A key of a type, size or encoding that we do not take."""


class CheckFailed(VoucherError):
    """A well-formed voucher does not hold; ``check`` says where."""

    def __init__(self, check: Check, message: str) -> None:
        super().__init__(f"{check.value}: {message}")
        self.check = check
        self.reason = message
