"""What a service knows about one device's way to its owner, gathered in one place."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from onboarding.services import to0
from onboarding.services.context import Context
from onboarding.services.serviceinfo import receipts
from onboarding.services.settings import Role
from onboarding.services.to0_attempts import Attempt, attempts_of
from onboarding.store.bindings import BindingRecord
from onboarding.store.devices import DeviceRecord
from onboarding.store.errors import NotFound
from onboarding.store.made import MadeDevice
from onboarding.store.tasks import Task
from onboarding.store.traces import Sighting, Trace
from onboarding.wire.message import MsgType
from ownership_vouchers.rendezvous import owner_addresses
from ownership_vouchers.voucher import Voucher


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """The voucher of the present GUID.

    ``owner`` is the fingerprint of the key that its last entry names, the
    manufacturer's if there is none; ``key_here`` whether we have that key, and
    ``blocked`` says why it may not be used, if so.
    ``servers`` are the addresses its rendezvous information has for owners.
    """

    owner: str
    key_here: bool
    entries: int
    servers: tuple[str, ...]
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class To0Facts:
    """What came of registering the voucher; ``planned`` whether it is still tried."""

    planned: bool = False
    servers: tuple[Attempt, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything this service can say; ``role`` tells what it cannot know.

    ``registered_until`` is of this service's own rendezvous, ``denied`` whose key is
    denied there, with its fingerprint; ``runs`` are the newest first,
    ``failed_modules`` name and detail of those that the last TO2 left failed, ``made``
    how DI went here, and ``same_serial`` the other GUIDs that stand under the same
    serial number.
    """

    now: int
    role: Role
    guids: tuple[bytes, ...]
    serial: str = ""
    device: DeviceRecord | None = None
    voucher: VoucherFacts | None = None
    to0: To0Facts = field(default_factory=To0Facts)
    registered_until: int | None = None
    denied: str = ""
    runs: tuple[Trace, ...] = ()
    sighting: Sighting | None = None
    binding: BindingRecord | None = None
    failed_modules: tuple[tuple[str, str], ...] = ()
    made: MadeDevice | None = None
    same_serial: tuple[bytes, ...] = ()

    @property
    def live(self) -> bool:
        """Whether some rendezvous server knows the device now."""
        until = self.registered_until
        if until is not None and until > self.now:
            return True
        return any(one.until > self.now for one in self.to0.servers)

    def last(self, protocol: str) -> Trace | None:
        """The newest run of a protocol."""
        return next(self.of(protocol), None)

    def of(self, protocol: str) -> Iterator[Trace]:
        """All runs of a protocol that are still known, newest first."""
        return (one for one in self.runs if one.protocol == protocol)

    def tries(self, protocol: str) -> int:
        """How many runs did not end well since the last one that did."""
        count = 0
        for one in self.of(protocol):
            if one.done:
                break
            alone = one.refused is not None and one.passed is None
            count += one.messages if alone else 1
        return count


def of_guid(context: Context, guid: bytes) -> Facts:
    """Gather what is known about a device by any GUID it ever had, or claims."""
    context.tracer.flush()
    device = None
    with suppress(NotFound):
        device = context.stores.devices.get(guid)
    if device is None:
        return _gathered(context, (guid,), None)
    known = context.stores.devices.known_as(guid)
    others = sorted(one for one in known if one != device.guid)
    return _gathered(context, (device.guid, *others), device)


def of_serial(context: Context, serial: str) -> Facts:
    """What is known about a serial number that no device here has."""
    context.tracer.flush()
    runs = context.stores.traces.of_serial(serial)
    return Facts(context.now(), context.settings.role, (), serial, runs=runs)


def _gathered(
    context: Context, guids: Sequence[bytes], device: DeviceRecord | None
) -> Facts:
    stores, now, present = context.stores, context.now(), guids[0]
    binding = None
    with suppress(NotFound):
        binding = stores.bindings.get(present)
    until, denied = None, ""
    with suppress(NotFound):
        registration = stores.registrations.get(present, now)
        until, denied = registration.expires, registration.denied_key or ""
    seen = [one for one in map(stores.traces.sighting, guids) if one is not None]
    return Facts(
        now,
        context.settings.role,
        tuple(guids),
        "" if device is None else device.serial,
        device,
        _voucher(context, present),
        _to0(stores.tasks.find(to0.KIND, present.hex())),
        until,
        denied,
        stores.traces.of(guids),
        max(seen, key=lambda one: one.last_at, default=None),
        binding,
        () if device is None else _failed(device.module_results),
        *_made(context, guids),
    )


def _made(
    context: Context, guids: Sequence[bytes]
) -> tuple[MadeDevice | None, tuple[bytes, ...]]:
    """What the factory knows; a device may have got other GUIDs since it was made."""
    for guid in guids:
        with suppress(NotFound):
            made = context.stores.made.get(guid)
            others = context.stores.made.rivals(made.serial, guid)
            return made, tuple(one.guid for one in others)
    return None, ()


def _voucher(context: Context, guid: bytes) -> VoucherFacts | None:
    try:
        record = context.stores.vouchers.get(guid)
    except NotFound:
        return None
    info = Voucher.from_cbor(record.cbor).header.rv_info
    servers = tuple(url for one in owner_addresses(info) for url in one.urls[:1])
    owner, count = record.key_fingerprint, len(record.entry_digests)
    standing = context.owner_keys.standing(owner)
    blocked = None
    if not standing.state.usable:
        blocked = f"{standing.state}: {standing.reason}"
    here = context.signer(owner) is not None
    return VoucherFacts(owner, here, count, servers, blocked)


def _to0(task: Task | None) -> To0Facts:
    if task is None:
        return To0Facts()
    return To0Facts(True, attempts_of(task), task.last_error or "")


def _failed(results: bytes | None) -> tuple[tuple[str, str], ...]:
    return () if results is None else receipts.failures(results)


def name_of(number: int | None) -> str | None:
    """Return a message's name, such as ``TO2.ProveDevice`` for 64."""
    try:
        found = MsgType(-1 if number is None else number)
    except ValueError:
        return None
    protocol, _, words = found.name.partition("_")
    return f"{protocol}.{words.title().replace('_', '')}" if words else "Error"
