"""ServiceInfo on the device's side. Source: FDO 1.1, section 3.9."""

from collections.abc import Sequence

from onboarding.protocol import devmod
from onboarding.protocol.device_env import DevmodFacts
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.modules import DeviceModule, Expectant, Message
from onboarding.wire.chunks import pack, reassemble
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv, OwnerServiceInfo
from ownership_vouchers import cbor

_ACTIVE = "active"


class DeviceExchange:
    """The device's part of one exchange, devmod first."""

    def __init__(
        self, facts: DevmodFacts, modules: Sequence[DeviceModule], send_limit: int
    ) -> None:
        self._modules = {one.name: one for one in modules}
        self._active: set[str] = set()
        self._limit = send_limit  # bytes of one 68
        self._queue: tuple[Kv, ...] = devmod.announce(facts, tuple(self._modules))
        self._partial: Kv | None = None
        self._more = False  # what our last message said
        self._done = False

    def first(self) -> DeviceServiceInfo:
        """Return the first 68."""
        return self._send()

    def receive(self, message: OwnerServiceInfo) -> DeviceServiceInfo | None:
        """Take one 69; return the next 68, or None when all is said.

        Raises:
            MessageRefused: The owner broke the order of speaking.
            MalformedError: A value that is not what its key stands for.
        """
        self._check(message)
        items, self._partial = reassemble(self._partial, message.kvs, more=message.more)
        for key, value in items:
            name, _, said = key.partition(":")
            self._queue += self._deliver(name, said, value)
        if message.more:
            return DeviceServiceInfo(more=False)
        self._done = self._done or message.done
        if self._done and not self._queue:
            return None
        if not (message.kvs or self._queue or self._partial):
            self._queue = self._on_silence()
        return self._send()

    def _on_silence(self) -> tuple[Kv, ...]:
        """Ask who waits for what may never come."""
        said: tuple[Kv, ...] = ()
        for name in sorted(self._active):
            module = self._modules[name]
            if isinstance(module, Expectant):
                said += self._said(name, module.silence())
        return said

    def _check(self, message: OwnerServiceInfo) -> None:
        if message.done and message.more:
            raise MessageRefused("the owner is done and has more")
        if self._more and (message.kvs or message.more or message.done):
            raise MessageRefused("the owner speaks while we have more to say")
        if self._done and message.kvs:
            raise MessageRefused("the owner speaks after it was done")

    def _send(self) -> DeviceServiceInfo:
        sent, self._queue = pack(self._queue, self._limit)
        self._more = bool(self._queue)
        return DeviceServiceInfo(self._more, sent)

    def _deliver(self, name: str, said: str, value: bytes) -> tuple[Kv, ...]:
        """Hand one message to its module; nobody listens for an inactive one."""
        if name == devmod.NAME:
            return ()
        module = self._modules.get(name)
        if said == _ACTIVE:
            return self._activate(name, on=cbor.boolean(cbor.decode(value)))
        if module is None or name not in self._active:
            return ()
        return self._said(name, module.receive(said, value))

    def _said(self, name: str, answers: Sequence[Message]) -> tuple[Kv, ...]:
        """A module that turns itself down is deaf until it is activated again."""
        if (_ACTIVE, cbor.encode(False)) in answers:
            self._active.discard(name)
        return tuple((f"{name}:{message}", item) for message, item in answers)

    def _activate(self, name: str, *, on: bool) -> tuple[Kv, ...]:
        if not on:
            self._active.discard(name)
            return ()
        if name in self._active:
            return ()
        module = self._modules.get(name)
        answer = (f"{name}:{_ACTIVE}", cbor.encode(module is not None))
        if module is None:
            return (answer,)
        self._active.add(name)
        return (answer, *self._said(name, module.activated()))
