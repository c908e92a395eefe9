"""One step of a plan, for one device: a module, its variables and its time.

A module's parameters may name what only the device can tell. So it is made anew for
each message, of values that were fixed when it began and that its state carries.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from onboarding.protocol.errors import ModuleFailed
from onboarding.protocol.modules import (
    Message,
    ModuleContext,
    ModuleResult,
    OwnerModule,
    Progress,
)
from ownership_vouchers import cbor

DEVMOD_VARIABLES = tuple(
    f"devmod.{name}" for name in ("os", "arch", "version", "device", "sn", "bin")
)
FACT_VARIABLES = ("guid", "next_guid", "serial", "model")
VARIABLES = FACT_VARIABLES + DEVMOD_VARIABLES

# What a device says of itself ends up in paths, URLs and arguments.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:+@~-]{0,127}")

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step, the same for all devices.

    Args:
        needs: The variables that its parameters name.
        build: Makes the module of their values.
            Raises ValueError when they make no module.
        seconds: How long it may take, from when it is begun.
    """

    name: str
    required: bool
    seconds: int
    needs: frozenset[str]
    build: Callable[[Values], OwnerModule] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A step with what the voucher says of the device: ``serial`` and ``model``.

    A serial number that did not come with the voucher is the one that devmod names.
    """

    step: PlanStep
    facts: Values

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def required(self) -> bool:
        return self.step.required

    def start(self, ctx: ModuleContext) -> object:
        """Fix the values, then begin.

        Raises:
            ModuleFailed: The device does not tell one, or one that must not be used.
        """
        values = {name: self._value(name, ctx) for name in sorted(self.step.needs)}
        return [ctx.now, values, self._module(values).start(ctx)]

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """As the module does, within its time. Raises ModuleFailed."""
        since, values, inner = self._opened(state)
        self._check_time(since, ctx)
        module = self._module(values)
        return [since, values, module.receive(inner, message, value, ctx)]

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """As the module does, within its time. Raises ModuleFailed."""
        since, values, inner = self._opened(state)
        self._check_time(since, ctx)
        inner, said, progress = self._module(values).produce(inner, budget, ctx)
        return [since, values, inner], said, progress

    def result(self, state: object) -> ModuleResult:
        _, values, inner = self._opened(state)
        return self._module(values).result(inner)

    def _opened(self, state: object) -> tuple[int, Values, object]:
        since, values, inner = cbor.array(state, 3)
        texts = cbor.mapping(values).items()
        return (
            cbor.uint(since, 64),
            {cbor.tstr(k): cbor.tstr(v) for k, v in texts},
            inner,
        )

    def _module(self, values: Values) -> OwnerModule:
        try:
            return self.step.build(values)
        except ValueError as error:
            raise ModuleFailed(f"cannot be run with {dict(values)}: {error}") from error

    def _check_time(self, since: int, ctx: ModuleContext) -> None:
        if ctx.now - since > self.step.seconds:
            raise ModuleFailed(f"did not end within {self.step.seconds} s")

    def _value(self, name: str, ctx: ModuleContext) -> str:
        value = {
            **{f"devmod.{part}": text for part, text in ctx.devmod.items()},
            "serial": self.facts.get("serial") or ctx.devmod.get("sn", ""),
            "model": self.facts.get("model", ""),
            "guid": str(ctx.guid),
            "next_guid": str(ctx.next_guid),
        }.get(name, "")
        if not value:
            raise ModuleFailed(f"the device does not tell its {name}")
        if not _PLAIN.fullmatch(value):
            raise ModuleFailed(
                f"{name} is {value[:128]!r}: not plain enough to be used"
            )
        return value
