"""TO1 and TO2 with one server each, and the change of credential at the end."""

import platform
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from hw.keys import HmacKey
from onboarding.device.credential import Owner
from onboarding.device.errors import DeviceError, ModulesFailed
from onboarding.device.fdo_run import REFUSALS, drive
from onboarding.device.http import FdoChannel
from onboarding.device.machine import Machine
from onboarding.device.modules.journal import Entry
from onboarding.device.modules.together import DeviceModules
from onboarding.device.suites import AS_THE_OWNER, Suites
from onboarding.protocol.device_env import (
    DeviceCredential,
    DevmodFacts,
    Onboarded,
    To1DeviceEnv,
    To2DeviceEnv,
)
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.tls import PUBLIC, Trust
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


@dataclass(frozen=True, slots=True)
class Meeting:
    """One run of TO2 with the owner at ``url``; ``to1d`` is None without rendezvous.

    ``trust`` says which servers modules may fetch files from.
    """

    machine: Machine
    channel: FdoChannel
    credential: DeviceCredential
    url: str
    to1d: bytes | None
    trust: Trust = PUBLIC
    clock: Clock = Clock()
    suites: Suites = AS_THE_OWNER

    def run(self) -> Taken:
        """Become the owner's device.

        The new credential is kept before message 70 leaves, and taken on after 71.

        Raises:
            DeviceError, ProtocolError, VoucherError, AttestationError, HwError,
            OSError: The credential is what it was; one that is pending is kept, too.
        """
        modules = DeviceModules.of(self.machine, self.credential.guid, self.trust)
        with closing(modules):
            onboarded = self._drive(modules)
        guid = self._settle(onboarded)
        return Taken(
            guid,
            self.credential.guid,
            self.url,
            modules.received,
            modules.verdict,
            modules.journal.entries,
        )

    def _drive(self, modules: DeviceModules) -> Onboarded:
        macs: list[bytes] = []
        role = To2Device(self._env(modules, macs))
        latest = self.clock.monotonic() + LONGEST_RUN

        def before(kind: MsgType) -> None:
            if self.clock.monotonic() > latest:
                raise DeviceError(f"TO2 takes longer than {LONGEST_RUN:.0f} s")
            if kind is MsgType.TO2_DEVICE_SERVICE_INFO and role.idle:
                self.clock.sleep(IDLE_PAUSE)
            if kind is MsgType.TO2_DONE:
                self._await(role.pending, macs[-1] if macs else b"")

        try:
            return drive(self.channel, role, before)
        except BaseException as error:
            for name in macs:
                self.machine.discard_mac_key(name)
            if isinstance(error, REFUSALS) and modules.journal.failures:
                raise ModulesFailed(error, modules.journal.failures) from error
            raise

    def _await(self, pending: Onboarded | None, mac: bytes) -> None:
        """From here on the owner may know the new credential, and only that one."""
        if pending is not None and pending.credential is not None:
            identity, owner = self.machine.identity(), self._owner(pending)
            new = pending.credential
            self.machine.keep(identity.awaiting(self.credential, new, owner, mac))

    def _settle(self, onboarded: Onboarded) -> Guid:
        identity = self.machine.identity()
        if onboarded.credential is None:
            identity = identity.reused(self.credential, self._owner(onboarded))
        else:
            identity = identity.taken()
        self.machine.keep(identity)
        return identity.active.guid

    def _owner(self, onboarded: Onboarded) -> Owner:
        return Owner(PublicKey.from_cbor(onboarded.owner_key).key, self.url)

    def _env(self, modules: DeviceModules, macs: list[bytes]) -> To2DeviceEnv:
        """``macs`` comes to hold the name of the key made for the next owner."""
        machine = self.machine
        owner = machine.identity().owner_of(self.credential)

        def new_mac_key() -> HmacKey:
            name, key = machine.create_mac_key()
            macs.append(name)
            return key

        return To2DeviceEnv(
            credential=self.credential,
            device_key=machine.device_key,
            mac_key=machine.mac_key(self.credential),
            new_mac_key=new_mac_key,
            random=secrets.token_bytes,
            new_kex_key=ec.generate_private_key,
            devmod=_devmod(machine),
            modules=modules.all,
            to1d=self.to1d,
            allow_reuse=machine.config.allow_reuse,
            kex=self.suites.kex_for(machine.config.owner_key, owner),
            cipher=self.suites.cipher,
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
