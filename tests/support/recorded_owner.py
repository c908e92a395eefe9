"""An owner that plays what a record has of it: its draws, keys and modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cbor2 import CBORTag

from onboarding.protocol.ciphers import EVERY as EVERY_CIPHER
from onboarding.protocol.env import (
    OwnedVoucher,
    Replacement,
    To2OwnerEnv,
)
from onboarding.protocol.modules import (
    Message,
    ModuleContext,
    ModulePlan,
    ModuleResult,
    Progress,
)
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import OwnerServiceInfo
from onboarding.wire.to2 import ProveOvHdr
from onboarding.wire.to2_secure import SetupDevice
from ownership_vouchers.verify import verify
from tests.support.fdo_roles import NOW
from tests.support.transcripts import (
    Drawn,
    Transcript,
    items,
)


@dataclass(frozen=True)
class RecordedModule:
    """Plays one module's recorded messages in their rounds, until ``until``."""

    name: str
    rounds: Mapping[int, list[Message]]
    until: int
    required: bool = True
    heard: list[Message] = field(default_factory=list)

    def start(self, ctx: ModuleContext) -> object:
        return None

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        self.heard.append((message, value))
        return state

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        if ctx.round >= self.until:
            return state, [], Progress.DONE
        return state, self.rounds.get(ctx.round, []), Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        return ModuleResult(self.name, ok=True, detail="played")


def owner_rounds(record: Transcript) -> list[OwnerServiceInfo]:
    """The recorded 69s in the order in which we say them.

    The recorded owner leaves the round that completes devmod empty and begins in
    the next; we begin at once, so those two change places.
    """
    said = [
        OwnerServiceInfo.from_cbor(one.plain)
        for one in record.of(MsgType.TO2_OWNER_SERVICE_INFO)
    ]
    if len(said) > 2:
        said[1], said[2] = said[2], said[1]
    return said


def recorded_modules(said: list[OwnerServiceInfo]) -> tuple[RecordedModule, ...]:
    """Cut the recorded 69s into one module for each name; rounds count from 1."""
    starts: dict[str, int] = {}
    rounds: dict[str, dict[int, list[Message]]] = {}
    for number, message in enumerate(said, start=1):
        for key, value in message.kvs:
            name, _, what = key.partition(":")
            starts.setdefault(name, number)
            if what != "active":  # the core says that itself
                rounds.setdefault(name, {}).setdefault(number, []).append((what, value))
    ends = [*list(starts.values())[1:], len(said)] if starts else []
    return tuple(
        RecordedModule(name, rounds[name], until)
        for name, until in zip(starts, ends, strict=True)
    )


def without_signature(data: bytes) -> object:
    tag = items(data)
    assert isinstance(tag, CBORTag)
    assert tag.tag == 18
    return list(tag.value)[:3]


def owner_env(record: Transcript, **changed: object) -> To2OwnerEnv:
    prove = ProveOvHdr.from_cbor(record.one(MsgType.TO2_PROVE_OV_HDR).wire)
    setup = SetupDevice.from_cbor(record.one(MsgType.TO2_SETUP_DEVICE).plain).payload
    signer = record.signer("owner")
    owned = OwnedVoucher.of(
        verify(record.voucher("for_owner")),
        signer,
        Replacement(setup.rv_info, setup.owner_key, signer),
    )
    modules = recorded_modules(owner_rounds(record))
    return To2OwnerEnv(
        now=NOW,
        random=Drawn(
            prove.nonce,
            *record.kex_drawn("owner"),
            setup.guid.raw,
            iv_size=record.iv_drawn,
        ),
        find_voucher=lambda guid: owned if guid == owned.guid else None,
        modules=lambda _guid, _plan: ModulePlan(modules),
        ciphers=EVERY_CIPHER,
        **record.kex_keys("owner"),
    )
