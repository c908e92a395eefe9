"""devmod: what a device says of itself. Source: FDO 1.1, section 3.9.2."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Self

from onboarding.protocol.device_env import DevmodFacts
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.modules import Message
from onboarding.wire.serviceinfo import Kv
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.values import lean

NAME = "devmod"
MAX_MODULES = 256
MAX_NAME = 128
_MAX_TEXT = 1024
_TEXTS = frozenset(
    "os arch version device sn pathsep sep nl tmp dir progenv bin mudurl".split()
)


@lean
class Devmod:
    """What has come in so far; ``complete`` once all module names are there."""

    values: Mapping[str, str] = field(default_factory=dict)
    expected: int | None = None
    modules: tuple[str, ...] = ()
    complete: bool = False
    _said: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def take(self, messages: Iterable[Message], *, last: bool) -> "Devmod":
        """Return the facts with more messages; unknown ones are skipped.

        Args:
            last: The device has said all it wants to for now: names that it has
                listed must then be all of them.

        Raises:
            MalformedError: A value of the wrong type.
            MessageRefused: More modules than we keep.
        """
        values, expected, modules = dict(self.values), self.expected, [*self.modules]
        for message, value in messages:
            item = cbor.decode(value)
            if message in _TEXTS:
                values[message] = _text(item)
            elif message == "nummodules":
                expected = cbor.uint(item, 16)
            elif message == "modules":
                modules += _names(item)
            elif message == "active":
                cbor.boolean(item)
        if max(len(modules), expected or 0) > MAX_MODULES:
            raise MessageRefused(f"device announces over {MAX_MODULES} modules")
        enough = expected is not None and len(modules) >= expected
        complete = self.complete or enough or (last and bool(modules))
        return Devmod(values, expected, tuple(modules), complete)

    def facts(self) -> dict[str, object]:
        """Return everything as one map, modules included."""
        return {**self.values, "modules": list(self.modules)}

    def encode(self) -> bytes:
        """Return it as CBOR, written once: most of a run leaves it as it is."""
        said = self._said
        if said is None:
            values, modules = dict(self.values), list(self.modules)
            said = cbor.encode([values, self.expected, modules, self.complete])
            object.__setattr__(self, "_said", said)
        return said

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        values, expected, modules, complete = cbor.array(cbor.decode(data), 4)
        return cls(
            {
                cbor.tstr(k): cbor.tstr(v, limit=_MAX_TEXT)
                for k, v in cbor.mapping(values).items()
            },
            None if expected is None else cbor.uint(expected, 16),
            tuple(cbor.tstr(one) for one in cbor.array(modules)),
            cbor.boolean(complete),
        )


def _names(item: object) -> list[str]:
    """Names come in order; where they say they start is not to be relied on."""
    parts = cbor.array(item, limit=MAX_MODULES + 2)
    if len(parts) < 2:
        raise MalformedError("devmod:modules without start and count")
    start, count, *names = parts
    cbor.uint(start, 16)
    if cbor.uint(count, 16) != len(names):
        raise MalformedError("devmod:modules of another length than it says")
    return [cbor.tstr(one, limit=MAX_NAME) for one in names]


def _text(item: object) -> str:
    """A text; a serial number may come as bytes, which are shown as text."""
    if isinstance(item, bytes):
        raw = cbor.bstr(item, limit=_MAX_TEXT // 2)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return raw.hex()
        return text if text.isprintable() else raw.hex()
    return cbor.tstr(item, limit=_MAX_TEXT)


def announce(facts: DevmodFacts, modules: tuple[str, ...]) -> tuple[Kv, ...]:
    """Return the messages with which a device begins."""
    values: list[tuple[str, object]] = [
        ("active", True),
        ("os", facts.os),
        ("arch", facts.arch),
        ("version", facts.version),
        ("device", facts.device),
        ("sn", facts.serial),
        ("pathsep", facts.path_separator),
        ("sep", facts.list_separator),
        ("bin", facts.bin or facts.arch),
        ("nummodules", len(modules)),
        ("modules", [0, len(modules), *modules]),
    ]
    return tuple((f"{NAME}:{name}", cbor.encode(value)) for name, value in values)
