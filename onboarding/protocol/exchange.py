"""ServiceInfo on the owner's side: who says what in which round.

Modules run one after the other, in our order. While the device has more to
say we are silent; what we have to cut goes out under IsMore.
Source: FDO 1.1, section 3.9.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, unique
from typing import Self

from onboarding.protocol.devmod import Devmod
from onboarding.protocol.modules import ModuleResult
from onboarding.wire.serviceinfo import Kv
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError


@unique
class Phase(IntEnum):
    """How far one module has come."""

    WAITING = 0
    ASKED = 1  # ``active`` was sent
    ACTIVE = 2
    ENDED = 3


_PHASES: dict[int, Phase] = {int(one): one for one in Phase}


@dataclass(frozen=True, slots=True)
class ModuleRun:
    """One module within one exchange; ``state`` is the module's own."""

    name: str
    phase: Phase = Phase.WAITING
    state: object = field(default=None, repr=False)
    ok: bool = False
    detail: str = ""
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)

    def ended(self, result: ModuleResult) -> "ModuleRun":
        """Return this run with how it went; the module's state is dropped."""
        ok, detail, facts = result.ok, result.detail, result.facts
        return ModuleRun(self.name, Phase.ENDED, None, ok, detail, facts)

    @property
    def result(self) -> ModuleResult:
        return ModuleResult(self.name, self.ok, self.detail, self.facts)

    def to_item(self) -> list[object]:
        facts = dict(self.facts)
        return [self.name, int(self.phase), self.state, self.ok, self.detail, facts]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        name, phase, state, ok, detail, facts = cbor.array(item, 6)
        known = _PHASES.get(cbor.uint(phase, 8))
        if known is None:
            raise MalformedError("module run in an unknown phase")
        return cls(
            cbor.tstr(name),
            known,
            state,
            cbor.boolean(ok),
            cbor.tstr(detail, limit=4096),
            {cbor.tstr(k): v for k, v in cbor.mapping(facts, limit=256).items()},
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """The whole exchange between two messages; counted in messages and bytes."""

    started: int  # seconds since 1970
    runs: tuple[ModuleRun, ...]
    devmod: Devmod = field(default_factory=Devmod)
    partial: Kv | None = field(default=None, repr=False)
    queue: tuple[Kv, ...] = field(default=(), repr=False)
    rounds: int = 0
    received: int = 0
    done: bool = False

    def with_run(
        self, run: ModuleRun, queue: tuple[Kv, ...] | None = None
    ) -> "Exchange":
        """Return the exchange with the run of that name, and the queue, replaced."""
        runs = tuple(run if one.name == run.name else one for one in self.runs)
        return replace(self, runs=runs, queue=self.queue if queue is None else queue)

    def run(self, name: str) -> ModuleRun | None:
        return next((one for one in self.runs if one.name == name), None)

    @property
    def results(self) -> tuple[ModuleResult, ...]:
        """How the modules that have ended went."""
        return tuple(one.result for one in self.runs if one.phase is Phase.ENDED)

    def to_item(self) -> list[object]:
        return [
            self.started,
            [one.to_item() for one in self.runs],
            self.devmod.to_item(),
            self.partial,
            self.queue,
            self.rounds,
            self.received,
            self.done,
        ]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        started, runs, devmod, partial, queue, rounds, received, done = cbor.array(
            item, 8
        )
        return cls(
            cbor.uint(started, 64),
            tuple(ModuleRun.from_item(one) for one in cbor.array(runs)),
            Devmod.from_item(devmod),
            None if partial is None else _kv(partial),
            tuple(_kv(one) for one in cbor.array(queue, limit=65536)),
            cbor.uint(rounds, 32),
            cbor.uint(received, 32),
            cbor.boolean(done),
        )


def _kv(item: object) -> Kv:
    key, value = cbor.array(item, 2)
    return cbor.tstr(key), cbor.bstr(value, limit=1 << 24)
