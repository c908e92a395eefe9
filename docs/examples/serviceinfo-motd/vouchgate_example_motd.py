"""``com.example.motd``: the owner sets the device's message of the day.

owner                      device
active, text        -->
                   <--     shown: SHA-256 of what the device shows now
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onboarding.device.modules.plugged import DeviceHost
from onboarding.protocol.errors import ModuleFailed
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor

NAME = "com.example.motd"


@dataclass(frozen=True)
class OwnerMotd:
    """The owner's side: pure, its state is CBOR and travels from message to message."""

    text: str
    required: bool
    name: str = NAME

    def start(self, ctx: ModuleContext) -> object:
        return "ask"

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        if message != "shown":
            return state
        shown = cbor.bstr(cbor.decode(value), 32)
        if shown != hashlib.sha256(self.text.encode()).digest():
            raise ModuleFailed("the device shows another text", {"sha256": shown})
        return "done"

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        if state == "ask":
            return "wait", [("text", cbor.encode(self.text))], Progress.WAITING
        if state == "wait":
            return state, [], Progress.WAITING
        return state, [], Progress.DONE

    def result(self, state: object) -> ModuleResult:
        facts = {"item": "motd", "bytes": len(self.text.encode())}
        return ModuleResult(self.name, True, "the device shows the text", facts)


class DeviceMotd:
    """The device's side: it may touch the machine."""

    name = NAME

    def __init__(self, host: DeviceHost) -> None:
        self._host = host

    def activated(self) -> Sequence[Message]:
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        if message != "text":
            return []
        text = cbor.tstr(cbor.decode(value), 1000)
        banner = self._host.settings.get("banner", "")
        (self._host.directory / "motd").write_text(f"{banner}{text}\n")
        self._host.done(f"{len(text)} characters")
        return [("shown", cbor.encode(hashlib.sha256(text.encode()).digest()))]


def owner(parameters: dict[str, Any], required: bool) -> OwnerMotd:
    """Make the owner's module of a step's parameters, variables filled in."""
    text = parameters.pop("text", "")
    if not isinstance(text, str) or not 0 < len(text) <= 1000 or parameters:
        raise ValueError("text: 1 to 1000 characters, and nothing else")
    return OwnerMotd(text, required)


def device(host: DeviceHost) -> DeviceMotd:
    """Make the device's module."""
    return DeviceMotd(host)
