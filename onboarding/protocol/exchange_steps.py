"""One round of ServiceInfo, the owner's side: a 68 in, a 69 out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from onboarding.protocol import devmod
from onboarding.protocol.devmod import Devmod
from onboarding.protocol.env import ServiceInfoLimits
from onboarding.protocol.errors import (
    MessageRefused,
    ModuleFailed,
    ProtocolError,
    RequiredModuleFailed,
)
from onboarding.protocol.exchange import Exchange, ModuleRun, Phase, Standing
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
from ownership_vouchers.values import lean

_ACTIVE = "active"
_MIN_BUDGET = 64


@lean
class Round:
    """What stays the same throughout one round."""

    guid: Guid
    next_guid: Guid
    device_key: VerifyKey
    now: int
    random: Callable[[int], bytes] = field(repr=False)
    modules: Sequence[OwnerModule]
    limits: ServiceInfoLimits
    send_limit: int  # bytes of one 69

    def module(self, exchange: Exchange, index: int) -> OwnerModule:
        """Raises ProtocolError if the modules changed during the run."""
        name, modules = exchange.runs[index].name, self.modules
        if len(modules) != len(exchange.runs) or modules[index].name != name:
            raise ProtocolError(f"module {name} is gone in the middle of a run")
        return modules[index]

    def context(self, exchange: Exchange, run: ModuleRun) -> ModuleContext:
        return ModuleContext(
            self.guid,
            self.next_guid,
            self.device_key,
            self.now,
            self.random,
            exchange.devmod.values,
            run.phase is Phase.ACTIVE,
            exchange.rounds,
            exchange.devmod.modules,
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
        exchange = exchange.heard(exchange.devmod, exchange.partial, rounds, received)
        return exchange, OwnerServiceInfo(more=False, done=True)
    items, partial = reassemble(exchange.partial, message.kvs, more=message.more)
    said, facts = _devmod(exchange.devmod, items, last=not message.more)
    exchange = exchange.heard(facts, partial, rounds, received)
    for name, what, value in said:
        exchange = _deliver(exchange, name, what, value, this)
    if message.more or not exchange.devmod.complete:
        return exchange, OwnerServiceInfo(more=False, done=False)
    if not exchange.queue:
        exchange = _produce(exchange, this)
    sent, rest = pack(exchange.queue, this.send_limit)
    finished = not rest and all(run.phase is Phase.ENDED for run in exchange.runs)
    exchange = exchange.told(rest, done=finished)
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
    index = exchange.speaking(name)
    if index is None:
        return exchange
    run = exchange.runs[index]
    if said == _ACTIVE:
        if cbor.boolean(cbor.decode(value)):
            return exchange.with_run(index, run.at(Phase.ACTIVE, run.state))
        result = _failed(name, "the device turned it down")
        return _end(exchange, index, result, Standing.REFUSED)
    run = run.at(Phase.ACTIVE, run.state)
    module, ctx = this.module(exchange, index), this.context(exchange, run)
    try:
        state = module.receive(run.state, said, value, ctx)
    except ModuleFailed as error:
        result = _failed(name, str(error), error.facts)
        return _end(exchange, index, result, Standing.LEFT)
    return exchange.with_run(index, run.at(Phase.ACTIVE, state))


def _produce(exchange: Exchange, this: Round) -> Exchange:
    """Let modules speak in order, up to the first that waits or fills a 69."""
    for index in range(len(exchange.runs)):
        if exchange.runs[index].phase is Phase.ENDED:
            continue
        budget = room(this.send_limit, *exchange.queue)
        if budget < _MIN_BUDGET:
            break
        exchange, progress = _ask(exchange, index, budget, this)
        if progress is not Progress.DONE:
            break
    return exchange


def _ask(
    exchange: Exchange, index: int, budget: int, this: Round
) -> tuple[Exchange, Progress]:
    """Ask one module what it has to say, after starting it if it waits."""
    run = exchange.runs[index]
    try:
        if run.phase is Phase.WAITING:
            _check_there(exchange, index)
        return _speak(exchange, index, budget, this)
    except ModuleFailed as error:
        left = run.standing in (Standing.OFFERED, Standing.ACTIVE)
        standing = Standing.LEFT if left else Standing.UNASKED
        result = _failed(run.name, str(error), error.facts)
        return _end(exchange, index, result, standing), Progress.DONE


def _check_there(exchange: Exchange, index: int) -> None:
    """Raise ModuleFailed where the device lacks the module, or is stuck in it."""
    if exchange.runs[index].name not in exchange.devmod.modules:
        raise ModuleFailed("the device does not have it")
    if exchange.standing(index) is Standing.LEFT:
        raise ModuleFailed("one before it was left in the middle")


def _speak(
    exchange: Exchange, index: int, budget: int, this: Round
) -> tuple[Exchange, Progress]:
    run = exchange.runs[index]
    name, module = run.name, this.module(exchange, index)
    queue: list[Kv] = list(exchange.queue)
    if run.phase is Phase.WAITING:
        if exchange.standing(index) is Standing.ACTIVE:
            run = run.at(Phase.ACTIVE, None)
        else:
            queue.append((f"{name}:{_ACTIVE}", cbor.encode(True)))
            run = run.at(Phase.ASKED, None)
        run = run.at(run.phase, module.start(this.context(exchange, run)))
        budget = room(this.send_limit, *queue)
    ctx = this.context(exchange, run)
    state, messages, progress = module.produce(run.state, budget, ctx)
    queue.extend((f"{name}:{said}", value) for said, value in messages)
    exchange = exchange.with_run(index, run.at(run.phase, state), tuple(queue))
    if progress is Progress.DONE:
        result, standing = module.result(state), exchange.runs[index].standing
        return _end(exchange, index, result, standing), progress
    return exchange, progress


def _failed(name: str, detail: str, facts: Mapping[str, object] = {}) -> ModuleResult:
    return ModuleResult(name, ok=False, detail=detail, facts=facts)


def _end(
    exchange: Exchange, index: int, result: ModuleResult, standing: Standing
) -> Exchange:
    run = exchange.runs[index].ended(result, standing)
    exchange = exchange.with_run(index, run)
    if run.required and not run.ok:
        raise RequiredModuleFailed(run.result, exchange.results)
    return exchange
