"""What a certification case is: one named change to a run that passes unaltered."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.wire.message import MsgType
from ownership_vouchers.algorithms import Signer, SoftSigner
from ownership_vouchers.voucher import Voucher
from tests.support.alterations import Alteration, resigned


@unique
class Wrong(StrEnum):
    """The one thing that is wrong."""

    ENCODING = "encoding"
    SIGNATURE = "signature"
    NONCE = "nonce"
    HASH = "hash"
    INDEX = "index"
    IDENTITY = "identity"  # a GUID or key that belongs to somebody else
    SUITE = "suite"  # key exchange, cipher or algorithm
    ADDRESS = "address"
    VOUCHER = "voucher"
    ORDER = "order"  # of ServiceInfo
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Cast:
    """Whose keys a case may sign with; ``other`` is another device's voucher."""

    device: Signer
    owner: Signer
    manufacturer: Signer
    stranger: SoftSigner
    voucher: Voucher
    other: Voucher


Change = Callable[[Cast], Alteration]


@dataclass(frozen=True, slots=True)
class Case:
    """One wrong message.

    Args:
        message: The type of the message that is changed, each time it is sent.
        wrong: What about it is.
        change: Makes the alteration; inside the tunnel for 65 to 71.
        code: The FDO error code that must come back.
        envelope: The change is to the message as it is sent, not inside the tunnel.
        ends: The server ends a proven run over it; others can go on.
    """

    message: MsgType
    wrong: Wrong
    change: Change
    code: int
    envelope: bool = False
    ends: bool = False


def just(alteration: Alteration) -> Change:
    """A change that needs nobody's key."""
    return lambda _cast: alteration


def by_device(alteration: Alteration, **headers: object) -> Change:
    """Change a payload and have the device sign it; headers as ``resigned``."""
    return lambda cast: resigned(cast.device, alteration, **headers)


def by_owner(alteration: Alteration, **headers: object) -> Change:
    """Change a payload and have the owner sign it; headers as ``resigned``."""
    return lambda cast: resigned(cast.owner, alteration, **headers)


def by_stranger(data: bytes = b"") -> Change:
    """Have a key sign the message that nobody knows; ``data`` replaces its payload."""
    return lambda cast: resigned(cast.stranger, lambda old: data or old)
