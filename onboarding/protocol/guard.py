"""Modules that others wrote, kept from hurting the run they are part of.

Whatever such a module raises or returns that it must not, fails that module alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from onboarding.protocol.errors import ModuleFailed, ModuleStopped
from onboarding.protocol.modules import (
    DeviceModule,
    Message,
    ModuleContext,
    ModuleResult,
    OwnerModule,
    Progress,
)
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

MAX_STATE = 64 * 1024  # bytes; it is written with each message
MAX_MESSAGES = 256
MAX_SAID = 1024 * 1024  # bytes at a time

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GuardedOwner:
    """An owner module of a plug-in, under the name and the rule of its step."""

    inner: OwnerModule = field(repr=False)
    name: str
    required: bool

    def start(self, ctx: ModuleContext) -> object:
        """Raises ModuleFailed, and nothing else; so do the others."""
        return _kept(_tried(lambda: self.inner.start(ctx)))

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        return _kept(_tried(lambda: self.inner.receive(state, message, value, ctx)))

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        made: Any = _tried(lambda: self.inner.produce(state, budget, ctx))
        return _tried(lambda: _produced(made))

    def result(self, state: object) -> ModuleResult:
        made: Any = _tried(lambda: self.inner.result(state))
        facts = _tried(lambda: _facts(made.facts))
        ok, detail = _tried(lambda: (made.ok is True, str(made.detail)))
        return ModuleResult(self.name, ok, detail, facts)


@dataclass(frozen=True, slots=True)
class GuardedDevice:
    """A device module of a plug-in, under the name it was installed by."""

    inner: DeviceModule = field(repr=False)
    name: str

    def activated(self) -> Sequence[Message]:
        """Raises ModuleStopped, and nothing else; so does ``receive``."""
        return self._said(self.inner.activated)

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        return self._said(lambda: self.inner.receive(message, value))

    def _said(self, ask: Callable[[], object]) -> Sequence[Message]:
        try:
            return said_by(_tried(ask))
        except ModuleFailed as error:
            raise ModuleStopped(self.name, str(error)) from error


def _produced(made: Any) -> tuple[object, list[Message], Progress]:
    state, said, progress = made
    return _kept(state), said_by(said), Progress(progress)


def _facts(facts: Any) -> dict[str, object]:
    found = {str(name): one for name, one in dict(facts).items()}
    _kept(found)
    return found


def said_by(said: object) -> list[Message]:
    """Return messages, each with one CBOR item in it. Raises ModuleFailed."""

    def checked() -> list[Message]:
        messages = [(name, value) for name, value in said]  # type: ignore[attr-defined]
        if len(messages) > MAX_MESSAGES:
            raise ModuleFailed(f"says {len(messages)} things at once")
        if sum(len(value) for _, value in messages) > MAX_SAID:
            raise ModuleFailed(f"says over {MAX_SAID} bytes at once")
        for name, value in messages:
            if not isinstance(name, str) or not 0 < len(name) < 128 or ":" in name:
                raise ModuleFailed(f"says {name!r}, which is no message name")
            cbor.decode(value)
        return messages

    return _tried(checked)


def _tried(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except MalformedError as error:
        raise ModuleFailed(str(error)) from error
    except ModuleFailed as error:
        raise ModuleFailed(str(error), _facts(error.facts)) from error
    except Exception as error:  # a stranger's code
        why = f"the plug-in failed: {type(error).__name__}: {error}"[:500]
        raise ModuleFailed(why) from error


def _kept(state: object) -> object:
    """Return the state as it will come back. Raises ModuleFailed: it could not."""

    def through() -> object:
        encoded = cbor.encode(state)
        if len(encoded) > MAX_STATE:
            raise ModuleFailed(f"its state has over {MAX_STATE} bytes")
        return cbor.decode(encoded)

    return _tried(through)
