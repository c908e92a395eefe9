"""The registries of FDO 1.1: message types, error codes, key exchanges."""

from enum import IntEnum, StrEnum, unique

PROTOCOL_VERSION = 101


@unique
class MsgType(IntEnum):
    """Message types. Source: FDO 1.1, section 5 (one subsection each)."""

    DI_APP_START = 10
    DI_SET_CREDENTIALS = 11
    DI_SET_HMAC = 12
    DI_DONE = 13
    TO0_HELLO = 20
    TO0_HELLO_ACK = 21
    TO0_OWNER_SIGN = 22
    TO0_ACCEPT_OWNER = 23
    TO1_HELLO_RV = 30
    TO1_HELLO_RV_ACK = 31
    TO1_PROVE_TO_RV = 32
    TO1_RV_REDIRECT = 33
    TO2_HELLO_DEVICE = 60
    TO2_PROVE_OV_HDR = 61
    TO2_GET_OV_NEXT_ENTRY = 62
    TO2_OV_NEXT_ENTRY = 63
    TO2_PROVE_DEVICE = 64
    TO2_SETUP_DEVICE = 65
    TO2_DEVICE_SERVICE_INFO_READY = 66
    TO2_OWNER_SERVICE_INFO_READY = 67
    TO2_DEVICE_SERVICE_INFO = 68
    TO2_OWNER_SERVICE_INFO = 69
    TO2_DONE = 70
    TO2_DONE2 = 71
    ERROR = 255


@unique
class ErrorCode(IntEnum):
    """EMErrorCode. Source: FDO 1.1, section 5.1.1."""

    INVALID_JWT_TOKEN = 1
    INVALID_OWNERSHIP_VOUCHER = 2
    INVALID_OWNER_SIGN_BODY = 3
    INVALID_IP_ADDRESS = 4
    INVALID_GUID = 5
    RESOURCE_NOT_FOUND = 6
    MESSAGE_BODY_ERROR = 100
    INVALID_MESSAGE_ERROR = 101
    CRED_REUSE_ERROR = 102
    INTERNAL_SERVER_ERROR = 500


@unique
class KexSuite(StrEnum):
    """Key exchange suites. Source: FDO 1.1, section 3.6."""

    ECDH256 = "ECDH256"
    ECDH384 = "ECDH384"
    DHKEXID14 = "DHKEXid14"
    DHKEXID15 = "DHKEXid15"
    ASYMKEX2048 = "ASYMKEX2048"
    ASYMKEX3072 = "ASYMKEX3072"
