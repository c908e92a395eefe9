"""ServiceInfo on the owner's side: who says what in which round.

Modules run one after the other, in our order. While the device has more to
say we are silent; what we have to cut goes out under IsMore.
Source: FDO 1.1, section 3.9.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum, unique
from typing import Self

from onboarding.protocol.devmod import Devmod
from onboarding.protocol.modules import ModuleResult
from onboarding.wire.serviceinfo import Kv
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.values import lean


@unique
class Phase(IntEnum):
    """How far one module has come."""

    WAITING = 0
    ASKED = 1  # ``active`` was sent
    ACTIVE = 2
    ENDED = 3


@unique
class Standing(IntEnum):
    """How a module stands with the device, as far as it was asked."""

    UNASKED = 0
    OFFERED = 1  # ``active`` was sent, and not answered yet
    ACTIVE = 2
    REFUSED = 3  # turned down: to be asked anew
    LEFT = 4  # active, and left in the middle: what it still says is nobody's


MAX_DETAIL = 2000
_PHASES: dict[int, Phase] = {int(one): one for one in Phase}
_STANDINGS: dict[int, Standing] = {int(one): one for one in Standing}
_STANDINGS_OF = {Phase.ASKED: Standing.OFFERED, Phase.ACTIVE: Standing.ACTIVE}
_UNENDED = {
    Phase.WAITING: "was not reached",
    Phase.ASKED: "was not answered",
    Phase.ACTIVE: "was under way",
}


@lean
class ModuleRun:
    """One module within one exchange; ``state`` is the module's own."""

    name: str
    phase: Phase = Phase.WAITING
    state: object = field(default=None, repr=False)
    ok: bool = False
    detail: str = ""
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)
    standing: Standing = Standing.UNASKED
    required: bool = False

    def at(self, phase: Phase, state: object) -> "ModuleRun":
        """Return this run as it goes on."""
        stands = _STANDINGS_OF.get(phase, self.standing)
        required = self.required
        return ModuleRun(self.name, phase, state, standing=stands, required=required)

    def ended(self, result: ModuleResult, standing: Standing) -> "ModuleRun":
        """Return this run with how it went; the module's state is dropped."""
        return ModuleRun(
            self.name,
            Phase.ENDED,
            None,
            result.ok,
            result.detail[:MAX_DETAIL],
            result.facts,
            standing,
            self.required,
        )

    @property
    def result(self) -> ModuleResult:
        """How it went, or how far it has come."""
        return ModuleResult(
            self.name,
            self.ok,
            self.detail or _UNENDED.get(self.phase, ""),
            self.facts,
            self.required,
            self.standing is not Standing.UNASKED,
            self.standing in (Standing.ACTIVE, Standing.LEFT),
        )

    def to_item(self) -> list[object]:
        return [
            self.name,
            int(self.phase),
            self.state,
            self.ok,
            self.detail,
            dict(self.facts),
            int(self.standing),
            self.required,
        ]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        name, phase, state, ok, detail, facts, standing, required = cbor.array(item, 8)
        known = _PHASES.get(cbor.uint(phase, 8))
        stands = _STANDINGS.get(cbor.uint(standing, 8))
        if known is None or stands is None:
            raise MalformedError("module run in an unknown phase")
        return cls(
            cbor.tstr(name),
            known,
            state,
            cbor.boolean(ok),
            cbor.tstr(detail, limit=4096),
            {cbor.tstr(k): v for k, v in cbor.mapping(facts, limit=256).items()},
            stands,
            cbor.boolean(required),
        )


@lean
class Exchange:
    """The whole exchange between two messages; counted in messages and bytes.

    ``runs`` are as many as the plan's modules and in their order; ``plan`` names it.
    """

    started: int  # seconds since 1970
    runs: tuple[ModuleRun, ...]
    devmod: Devmod = field(default_factory=Devmod)
    partial: Kv | None = field(default=None, repr=False)
    queue: tuple[Kv, ...] = field(default=(), repr=False)
    rounds: int = 0
    received: int = 0
    done: bool = False
    plan: str = ""

    def with_run(
        self, index: int, run: ModuleRun, queue: tuple[Kv, ...] | None = None
    ) -> "Exchange":
        """Return the exchange with one run, and the queue, replaced."""
        runs = (*self.runs[:index], run, *self.runs[index + 1 :])
        # Written out here and below: dataclasses.replace takes three times as long.
        return Exchange(
            self.started,
            runs,
            self.devmod,
            self.partial,
            self.queue if queue is None else queue,
            self.rounds,
            self.received,
            self.done,
            self.plan,
        )

    def heard(
        self, devmod: Devmod, partial: Kv | None, rounds: int, received: int
    ) -> "Exchange":
        """Return the exchange after a message of the device."""
        return Exchange(
            self.started,
            self.runs,
            devmod,
            partial,
            self.queue,
            rounds,
            received,
            self.done,
            self.plan,
        )

    def told(self, queue: tuple[Kv, ...], *, done: bool) -> "Exchange":
        """Return the exchange after our answer, which left ``queue`` to be sent."""
        return Exchange(
            self.started,
            self.runs,
            self.devmod,
            self.partial,
            queue,
            self.rounds,
            self.received,
            done,
            self.plan,
        )

    def speaking(self, name: str) -> int | None:
        """Return which of the modules of that name is asked or active."""
        for index, run in enumerate(self.runs):
            if run.name == name and run.phase in (Phase.ASKED, Phase.ACTIVE):
                return index
        return None

    def standing(self, index: int) -> Standing:
        """How the device was left by the last module of the same name before."""
        name = self.runs[index].name
        before = [one for one in self.runs[:index] if one.name == name]
        return before[-1].standing if before else Standing.UNASKED

    @property
    def results(self) -> tuple[ModuleResult, ...]:
        """How each module went, or how far it came."""
        return tuple(run.result for run in self.runs)

    def to_item(self) -> list[object]:
        return [
            self.started,
            [one.to_item() for one in self.runs],
            self.devmod.encode(),
            self.partial,
            self.queue,
            self.rounds,
            self.received,
            self.done,
            self.plan,
        ]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        started, runs, devmod, partial, queue, rounds, received, done, plan = (
            cbor.array(item, 9)
        )
        return cls(
            cbor.uint(started, 64),
            tuple(ModuleRun.from_item(one) for one in cbor.array(runs)),
            Devmod.from_cbor(cbor.bstr(devmod)),
            None if partial is None else _kv(partial),
            tuple(_kv(one) for one in cbor.array(queue, limit=65536)),
            cbor.uint(rounds, 32),
            cbor.uint(received, 32),
            cbor.boolean(done),
            cbor.tstr(plan),
        )


def _kv(item: object) -> Kv:
    key, value = cbor.array(item, 2)
    return cbor.tstr(key), cbor.bstr(value, limit=1 << 24)
