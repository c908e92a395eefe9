"""The shapes every role speaks: states, steps, effects, and a client's moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, unique
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from onboarding.protocol.modules import ModuleResult
from onboarding.protocol.registration import Registration
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import Board
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid
from ownership_vouchers.values import lean
from ownership_vouchers.voucher import Voucher

ResultT = TypeVar("ResultT")


@unique
class ProtocolVersion(IntEnum):
    """Protocol versions as they stand in URLs and headers."""

    FDO_1_1 = 101


class State(Protocol):
    """Where a server's run stands between two messages.

    ``sealed`` states belong to peers that have proved nothing: they travel in
    the token and nothing is stored. The others are rows.
    """

    sealed: ClassVar[bool]

    def encode(self) -> bytes:
        """Return the state as bytes for its role's ``decode_state``.

        They hold secrets: seal them before they leave the process.
        """


@dataclass(frozen=True, slots=True)
class Making:
    """Where and how a device is made.

    ``line`` is the production line, ``station`` what showed that it may speak for
    it, empty if nothing had to. ``opened`` is when the run began, seconds since 1970.
    ``proven`` tells whether the device signed with its key; otherwise the key is one
    that the factory knew by the device's name.
    """

    line: str
    station: str
    opened: int
    proven: bool

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError on what ``to_item`` did not write."""
        line, station, opened, proven = cbor.array(item, 4)
        return cls(
            cbor.tstr(line),
            cbor.tstr(station),
            cbor.uint(opened, 64),
            cbor.boolean(proven),
        )

    def to_item(self) -> list[object]:
        return [self.line, self.station, self.opened, self.proven]


@dataclass(frozen=True, slots=True)
class StoreVoucher:
    """DI is complete: keep this voucher (no entries yet)."""

    voucher: Voucher
    serial: str
    board: Board | None
    making: Making


@dataclass(frozen=True, slots=True)
class StoreRegistration:
    """TO0 is complete: keep this registration for ``wait_seconds``."""

    registration: Registration
    wait_seconds: int


@unique
class Credential(StrEnum):
    """What TO2 made of the device's credential."""

    REPLACED = "replaced"
    REUSED = "reused"
    KEPT = "kept"  # the device does not take new credentials: no resale


@dataclass(frozen=True, slots=True)
class TakeOwnership:
    """TO2 is complete: the device is ours.

    ``new_voucher`` (no entries) takes the place of the voucher of ``guid`` when
    ``credential`` is REPLACED; otherwise it is None and that voucher stays.
    ``devmod`` maps message names without ``devmod:`` to decoded values; ``results``
    is of each module of ``plan``, in its order. ``transcript`` is the digest over the
    run: see `transcript.extend`.
    """

    guid: Guid
    credential: Credential
    new_voucher: Voucher | None
    devmod: Mapping[str, object]
    results: tuple[ModuleResult, ...]
    plan: str = ""
    transcript: bytes = b""


Effect = StoreVoucher | StoreRegistration | TakeOwnership


@lean
class Step:
    """One answer of a server role; ``state`` None ends the run.

    The effects must be durable before the reply leaves.
    """

    state: State | None
    reply_type: IntEnum
    reply: bytes = field(repr=False)
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """A client's next message."""

    type: MsgType
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished(Generic[ResultT]):
    """A client's run is over, and well."""

    result: ResultT
