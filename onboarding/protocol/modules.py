"""What a ServiceInfo module is, on the owner's and on the device's side.

An owner module is pure and keeps its state as a value that CBOR can carry, so
that any replica can go on with a run. A device module may touch the machine.
Source: FDO 1.1, section 3.9.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum, unique
from typing import Protocol, runtime_checkable

from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid
from ownership_vouchers.values import lean

Message = tuple[str, bytes]
"""A message name without its module, and the CBOR item it carries."""


@unique
class Progress(StrEnum):
    """What an owner module expects next."""

    WAITING = "waiting"  # for the device
    MORE = "more"  # has more to say than the budget allowed
    DONE = "done"


@lean
class ModuleContext:
    """What a module may know of the run it is part of."""

    guid: Guid
    next_guid: Guid  # once TO2 is done; the same where its credential stays
    device_key: VerifyKey
    now: int  # seconds since 1970, UTC
    random: Callable[[int], bytes] = field(repr=False)
    devmod: Mapping[str, str]
    active: bool  # whether the device has confirmed this module
    round: int  # messages 68 received so far, the present one included
    modules: tuple[str, ...] = ()  # that the device says it has


@lean
class ModuleResult:
    """How a module ended. ``detail`` is for our operator, not for the peer.

    A module fills in the first four; the exchange adds whether it was required, was
    offered to the device (``active`` was sent), and was accepted by it.
    """

    name: str
    ok: bool
    detail: str
    facts: Mapping[str, object] = field(default_factory=dict)
    required: bool = False
    offered: bool = True
    accepted: bool = True


class OwnerModule(Protocol):
    """One module's owner side; every method is pure."""

    @property
    def name(self) -> str:
        """The module's name, as in ``name:message``."""

    @property
    def required(self) -> bool:
        """Whether TO2 fails when this module does."""

    def start(self, ctx: ModuleContext) -> object:
        """Return the first state: CBOR-able values only.

        A state goes through CBOR between messages: tuples come back as lists.

        Raises:
            ModuleFailed: It cannot be run with this device; so say the others.
        """

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take one complete message; ``active`` has been dealt with.

        Raises:
            ModuleFailed: This module has failed; the run goes on without it, if it
                may.
            VoucherError, ProtocolError: The message is not acceptable.
        """

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Say what to send now, in about ``budget`` bytes, keys included.

        What does not fit is sent in later rounds before this is asked again.
        Asked for the first time in the round that activates the module, when
        ``ctx.active`` is still False.
        """

    def result(self, state: object) -> ModuleResult:
        """Tell how it went; asked once, after ``DONE``."""


@lean
class ModulePlan:
    """The modules of one run in their order; ``id`` finds the same ones again."""

    modules: tuple[OwnerModule, ...]
    id: str = ""


class DeviceModule(Protocol):
    """One module's device side; may read and write the machine."""

    @property
    def name(self) -> str:
        """The module's name, as in ``name:message``."""

    def activated(self) -> Sequence[Message]:
        """The owner wants this module now: begin anew; return what to say first."""

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one complete message and return the answers.

        The ``active`` messages are dealt with before this is called. An answer
        ``active`` false turns the module down, and ends it until it is asked again.
        """


@runtime_checkable
class Expectant(Protocol):
    """A device module that has something to say when the owner says nothing."""

    def silence(self) -> Sequence[Message]:
        """Both sides said nothing in the last round; return what to say."""
