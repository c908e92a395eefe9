"""TO1 and TO2 with one server each, and the change of credential at the end."""

import platform
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.device.credential import Owner
from onboarding.device.errors import DeviceError, ModulesFailed
from onboarding.device.fdo_run import REFUSALS, drive
from onboarding.device.http import FdoChannel
from onboarding.device.machine import Machine
from onboarding.device.modules.journal import Entry
from onboarding.device.modules.together import DeviceModules
from onboarding.protocol.device_env import (
    DeviceCredential,
    DevmodFacts,
    Onboarded,
    To1DeviceEnv,
    To2DeviceEnv,
)
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.tls import Trust
from onboarding.wire.message import MsgType
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid

IDLE_PAUSE = 0.5  # seconds, when neither side had anything to say
LONGEST_RUN = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Taken:
    """What onboarding ended with."""

    guid: Guid
    previous_guid: Guid
    owner_url: str
    files: tuple[str, ...]  # that the owner put here
    binding: tuple[bool, str, str] | None  # as the owner judged it; None: not asked
    modules: tuple[Entry, ...] = ()  # what they did, or failed to do


@dataclass(frozen=True, slots=True)
class Clock:
    """How a run passes the time."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def ask_rendezvous(
    machine: Machine, channel: FdoChannel, credential: DeviceCredential
) -> bytes:
    """Run TO1; return to1d, which is not to be believed before TO2 checked it.

    Raises:
        DeviceError, ProtocolError, VoucherError, HwError: See ``drive``.
    """
    role = To1Device(To1DeviceEnv(credential.guid, machine.device_key))
    return drive(channel, role)


def meet_owner(
    machine: Machine,
    channel: FdoChannel,
    credential: DeviceCredential,
    url: str,
    to1d: bytes | None,
    trust: Trust,
    clock: Clock,
) -> Taken:
    """Run TO2 with the owner at ``url``; the device is the owner's when this returns.

    The new credential is kept before message 70 leaves, and taken on after 71.

    Raises:
        DeviceError, ProtocolError, VoucherError, AttestationError, HwError, OSError:
            The credential is what it was, and what was pending is kept beside it.
    """
    modules = DeviceModules.of(machine, credential.guid, trust)
    role = To2Device(_env(machine, credential, to1d, modules))
    latest = clock.monotonic() + LONGEST_RUN

    def before(kind: MsgType) -> None:
        if clock.monotonic() > latest:
            raise DeviceError(f"TO2 takes longer than {LONGEST_RUN:.0f} s")
        if kind is MsgType.TO2_DEVICE_SERVICE_INFO and role.idle:
            clock.sleep(IDLE_PAUSE)
        if kind is MsgType.TO2_DONE:
            _await(machine, credential, role.pending, url)

    with closing(modules):
        try:
            onboarded = drive(channel, role, before)
        except REFUSALS as error:
            if modules.journal.failures:
                raise ModulesFailed(error, modules.journal.failures) from error
            raise
    return Taken(
        _settle(machine, credential, onboarded, url),
        credential.guid,
        url,
        modules.received,
        modules.verdict,
        modules.journal.entries,
    )


def _await(
    machine: Machine, used: DeviceCredential, pending: Onboarded | None, url: str
) -> None:
    """From here on the owner may know the new credential, and only that one."""
    if pending is not None and pending.credential is not None:
        owner = _owner(pending, url)
        identity = machine.identity()
        machine.keep(identity.awaiting(used, pending.credential, owner))


def _settle(
    machine: Machine, used: DeviceCredential, onboarded: Onboarded, url: str
) -> Guid:
    identity = machine.identity()
    if onboarded.credential is None:
        identity = identity.reused(used, _owner(onboarded, url))
    else:
        identity = identity.taken()
    machine.keep(identity)
    return identity.active.guid


def _owner(onboarded: Onboarded, url: str) -> Owner:
    return Owner(PublicKey.from_cbor(onboarded.owner_key).key, url)


def _env(
    machine: Machine,
    credential: DeviceCredential,
    to1d: bytes | None,
    modules: DeviceModules,
) -> To2DeviceEnv:
    return To2DeviceEnv(
        credential=credential,
        device_key=machine.device_key,
        mac_key=machine.mac_key,
        random=secrets.token_bytes,
        new_kex_key=ec.generate_private_key,
        devmod=_devmod(machine),
        modules=modules.all,
        to1d=to1d,
        allow_reuse=machine.config.allow_reuse,
    )


def _devmod(machine: Machine) -> DevmodFacts:
    system = platform.uname()
    return DevmodFacts(
        os=system.system,
        arch=system.machine,
        version=system.release,
        device=machine.config.device_info,
        serial=machine.config.serial,
        bin=system.machine,
    )
