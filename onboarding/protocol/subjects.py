"""Whom a message says that it is about, when no step has come that far.

Nobody has shown that it is so: good for a trace, and for nothing else.
"""

from dataclasses import dataclass
from enum import IntEnum

from onboarding.wire.di import AppStart
from onboarding.wire.message import MsgType
from onboarding.wire.to0 import OwnerSign, To0d
from onboarding.wire.to1 import HelloRv
from onboarding.wire.to2 import HelloDevice
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid
from ownership_vouchers.voucher import Voucher


@dataclass(frozen=True, slots=True)
class Subject:
    """A device by what is known of it; either may be missing."""

    guid: Guid | None = None
    serial: str = ""


NOBODY = Subject()


def claimed_subject(kind: IntEnum, body: bytes) -> Subject:
    """Read whom a message of FDO 1.1 names; NOBODY if it cannot be read."""
    try:
        match kind:
            case MsgType.DI_APP_START:
                return Subject(serial=AppStart.from_cbor(body).serial)
            case MsgType.TO0_OWNER_SIGN:
                to0d = To0d.from_cbor(OwnerSign.from_cbor(body).to0d)
                return Subject(Voucher.from_cbor(to0d.voucher).guid)
            case MsgType.TO1_HELLO_RV:
                return Subject(HelloRv.from_cbor(body).guid)
            case MsgType.TO2_HELLO_DEVICE:
                return Subject(HelloDevice.from_cbor(body).guid)
    except VoucherError:
        return NOBODY
    return NOBODY
