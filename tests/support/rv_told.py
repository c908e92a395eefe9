"""Rendezvous information written as it is on the wire, and plans told in short."""

from onboarding.protocol.rv_plan import (
    Skip,
    Step,
    Try,
    Wait,
)
from ownership_vouchers import cbor
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.rv_values import RvVariable as V
from ownership_vouchers.types import Hash, HashType

PIN = Hash(HashType.SHA256, bytes(range(32)))
IP4 = cbor.encode(bytes([192, 0, 2, 1]))


def directive(**values: object) -> list[list[object]]:
    """A directive as it is on the wire, each value wrapped as it has to be."""
    return [
        [int(V[name]), *([] if value is True else [cbor.encode(value)])]
        for name, value in values.items()
    ]


def info(*directives: list[list[object]]) -> RendezvousInfo:
    return RendezvousInfo.from_cbor(cbor.encode(list(directives)))


def told(*steps: Step) -> list[object]:
    """A plan in short: URLs to try (``owner`` where TO1 is left out), and waits."""
    short: list[object] = []
    for step in steps:
        match step:
            case Try(_, found):
                short.append((["owner"] if found.bypass else []) + [*found.urls])
            case Wait(seconds, _):
                short.append(seconds)
            case Skip(_, number, _):
                short.append(f"skip {number}")
    return short
