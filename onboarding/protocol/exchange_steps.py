"""One round of ServiceInfo, the owner's side: a 68 in, a 69 out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from onboarding.protocol import devmod
from onboarding.protocol.devmod import Devmod
from onboarding.protocol.env import ServiceInfoLimits
from onboarding.protocol.errors import (
    MessageRefused,
    ProtocolError,
    RequiredModuleFailed,
)
from onboarding.protocol.exchange import Exchange, ModuleRun, Phase
from onboarding.protocol.modules import (
    Message,
    ModuleContext,
    ModuleResult,
    OwnerModule,
    Progress,
)
from onboarding.wire.chunks import pack, reassemble, room
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv, OwnerServiceInfo
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid

_ACTIVE = "active"
_MIN_BUDGET = 64


@dataclass(frozen=True, slots=True)
class Round:
    """What stays the same throughout one round."""

    guid: Guid
    device_key: VerifyKey
    now: int
    random: Callable[[int], bytes] = field(repr=False)
    modules: Sequence[OwnerModule]
    limits: ServiceInfoLimits
    send_limit: int  # bytes of one 69

    def module(self, name: str) -> OwnerModule:
        """Raises ProtocolError if the modules changed during the run."""
        for module in self.modules:
            if module.name == name:
                return module
        raise ProtocolError(f"module {name} is gone in the middle of a run")

    def context(self, exchange: Exchange, run: ModuleRun) -> ModuleContext:
        return ModuleContext(
            self.guid,
            self.device_key,
            self.now,
            self.random,
            exchange.devmod.values,
            run.phase is Phase.ACTIVE,
            exchange.rounds,
        )


def take_turn(
    exchange: Exchange, message: DeviceServiceInfo, size: int, this: Round
) -> tuple[Exchange, OwnerServiceInfo]:
    """Take one 68 of ``size`` bytes and say what to answer.

    Raises:
        MessageRefused: Out of order, or over a limit.
        RequiredModuleFailed: A module that must succeed has not.
        MalformedError: A value that is not what its key stands for.
    """
    rounds, received = _count(exchange, size, this)
    if exchange.done:
        if message.more:
            raise MessageRefused("the device begins anew after all was said")
        exchange = replace(exchange, rounds=rounds, received=received)
        return exchange, OwnerServiceInfo(more=False, done=True)
    items, partial = reassemble(exchange.partial, message.kvs, more=message.more)
    said, facts = _devmod(exchange.devmod, items, last=not message.more)
    exchange = replace(
        exchange, devmod=facts, partial=partial, rounds=rounds, received=received
    )
    for name, what, value in said:
        exchange = _deliver(exchange, name, what, value, this)
    if message.more or not exchange.devmod.complete:
        return exchange, OwnerServiceInfo(more=False, done=False)
    if not exchange.queue:
        exchange = _produce(exchange, this)
    sent, rest = pack(exchange.queue, this.send_limit)
    finished = not rest and all(run.phase is Phase.ENDED for run in exchange.runs)
    exchange = replace(exchange, queue=rest, done=finished)
    return exchange, OwnerServiceInfo(more=bool(rest), done=finished, kvs=sent)


def _count(exchange: Exchange, size: int, this: Round) -> tuple[int, int]:
    """Return messages and bytes received so far, this one included."""
    rounds, received = exchange.rounds + 1, exchange.received + size
    limits = this.limits
    if rounds > limits.rounds or received > limits.received:
        raise MessageRefused(f"ServiceInfo of {rounds} messages, {received} bytes")
    if this.now - exchange.started > limits.seconds:
        raise MessageRefused(f"ServiceInfo takes longer than {limits.seconds} s")
    return rounds, received


def _devmod(
    facts: Devmod, items: Sequence[Kv], *, last: bool
) -> tuple[list[tuple[str, str, bytes]], Devmod]:
    """Take out what is devmod's; return the rest as module, message, value."""
    about: list[Message] = []
    said: list[tuple[str, str, bytes]] = []
    for key, value in items:
        name, _, what = key.partition(":")
        if name == devmod.NAME:
            about.append((what, value))
        else:
            said.append((name, what, value))
    if not facts.complete:
        facts = facts.take(about, last=last)
        if said and not facts.complete:
            raise MessageRefused(f"{said[0][0]} speaks before devmod is complete")
    return said, facts


def _deliver(
    exchange: Exchange, name: str, said: str, value: bytes, this: Round
) -> Exchange:
    """Hand one message to its module; one that does not run is not listening."""
    run = exchange.run(name)
    if run is None or run.phase not in (Phase.ASKED, Phase.ACTIVE):
        return exchange
    if said == _ACTIVE:
        if cbor.boolean(cbor.decode(value)):
            return exchange.with_run(ModuleRun(name, Phase.ACTIVE, run.state))
        return _end(exchange, run, _failed(name, "the device turned it down"), this)
    run = ModuleRun(name, Phase.ACTIVE, run.state)
    module, ctx = this.module(name), this.context(exchange, run)
    state = module.receive(run.state, said, value, ctx)
    return exchange.with_run(ModuleRun(name, Phase.ACTIVE, state))


def _produce(exchange: Exchange, this: Round) -> Exchange:
    """Let modules speak in order, up to the first that waits or fills a 69."""
    for index in range(len(exchange.runs)):
        run = exchange.runs[index]
        if run.phase is Phase.ENDED:
            continue
        budget = room(this.send_limit, *exchange.queue)
        if budget < _MIN_BUDGET:
            break
        exchange, progress = _ask(exchange, run, budget, this)
        if progress is not Progress.DONE:
            break
    return exchange


def _ask(
    exchange: Exchange, run: ModuleRun, budget: int, this: Round
) -> tuple[Exchange, Progress]:
    """Ask one module what it has to say, after starting it if it waits."""
    name = run.name
    if run.phase is Phase.WAITING and name not in exchange.devmod.modules:
        result = _failed(name, "the device does not have it")
        return _end(exchange, run, result, this), Progress.DONE
    module, ctx = this.module(name), this.context(exchange, run)
    queue: list[Kv] = list(exchange.queue)
    if run.phase is Phase.WAITING:
        queue.append((f"{name}:{_ACTIVE}", cbor.encode(True)))
        run = ModuleRun(name, Phase.ASKED, module.start(ctx))
        budget = room(this.send_limit, *queue)
    state, messages, progress = module.produce(run.state, budget, ctx)
    queue.extend((f"{name}:{said}", value) for said, value in messages)
    exchange = exchange.with_run(ModuleRun(name, run.phase, state), tuple(queue))
    if progress is Progress.DONE:
        return _end(exchange, run, module.result(state), this), progress
    return exchange, progress


def _failed(name: str, detail: str) -> ModuleResult:
    return ModuleResult(name, ok=False, detail=detail)


def _end(
    exchange: Exchange, run: ModuleRun, result: ModuleResult, this: Round
) -> Exchange:
    exchange = exchange.with_run(run.ended(result))
    if not result.ok and this.module(run.name).required:
        raise RequiredModuleFailed(result, exchange.results)
    return exchange
