"""TO1 and TO2: from a credential to an owner.

The rendezvous information is walked in its order, with its delays; what to1d claims
about the owner's whereabouts is only believed once TO2 has shown who signed it.
Source: FDO 1.1, sections 3.7, 5.4 and 5.5.
"""

import platform
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import ModulesFailed, NobodyThere, Unreachable
from onboarding.device.fdo_run import REFUSALS, drive
from onboarding.device.http import FdoChannel, new_client
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
from onboarding.tls import PUBLIC, Trust
from onboarding.wire.message import MsgType
from onboarding.wire.to0 import To1dPayload
from ownership_vouchers.cose import Sign1
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.rendezvous import (
    Candidates,
    RendezvousInfo,
    device_addresses,
    to2_addresses_from_item,
)
from ownership_vouchers.types import Guid

Failure = tuple[str, Exception]
"""The address tried, and what came of it."""

MAX_DELAY = 3600.0  # seconds, whatever the rendezvous information says
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: rounds through the rendezvous information, and waits."""

    rounds: int = 1
    max_delay: float = MAX_DELAY
    sleep: Callable[[float], None] = time.sleep


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
class Onboarder:
    """One device on its way to its owner.

    ``trust`` is what ``client`` was made with: where the rendezvous information pins a
    server, another client is made from it.
    """

    machine: Machine
    client: httpx.Client
    patience: Patience = Patience()
    trust: Trust = PUBLIC

    def run(self) -> Taken:
        """Onboard, trying everything the rendezvous information names.

        Raises:
            NotOnboarded: The device has not been made yet.
            NobodyThere: Nothing worked; says what was tried and how each ended.
        """
        identity = self.machine.identity()
        failures: list[Failure] = []
        for number in range(self.patience.rounds):
            for credential, candidates in _ways(identity):
                found = self._try_all(credential, candidates, failures)
                if found is not None:
                    return found
                if number + 1 < self.patience.rounds:
                    self._wait(candidates.delay)
        raise NobodyThere(failures)

    def _try_all(
        self,
        credential: DeviceCredential,
        candidates: Candidates,
        failures: list[Failure],
    ) -> Taken | None:
        for url in candidates.urls:
            try:
                with self._client_for(candidates, url) as client:
                    if candidates.bypass:
                        return self._to2(client, credential, url, None)
                    to1d = self._to1(client, credential, url)
                return self._at_owners(credential, to1d)
            except REFUSALS as error:
                failures += _failures(url, error)
        return None

    @contextmanager
    def _client_for(self, candidates: Candidates, url: str) -> Iterator[httpx.Client]:
        """The client, or one that talks to nobody but whom the directive pins."""
        pins = replace(
            self.trust, server=candidates.server_hash, authority=candidates.ca_hash
        )
        if not pins.pinned:
            yield self.client
            return
        if not url.startswith("https://"):
            raise Unreachable(f"{url} is no HTTPS, but its certificate is pinned")
        with closing(new_client(pins)) as client:
            yield client

    def _to1(
        self, client: httpx.Client, credential: DeviceCredential, url: str
    ) -> bytes:
        role = To1Device(To1DeviceEnv(credential.guid, self.machine.device_key))
        return drive(FdoChannel(client, url), role)

    def _at_owners(self, credential: DeviceCredential, to1d: bytes) -> Taken:
        failures: list[Failure] = []
        for owner in _owner_urls(to1d):
            try:
                return self._to2(self.client, credential, owner, to1d)
            except REFUSALS as error:
                failures.append((f"owner {owner}", error))
        raise NobodyThere(failures)

    def _to2(
        self,
        client: httpx.Client,
        credential: DeviceCredential,
        url: str,
        to1d: bytes | None,
    ) -> Taken:
        modules = DeviceModules.of(self.machine, credential.guid, self.trust)
        role = To2Device(self._env(credential, to1d, modules))

        def keep_both(kind: MsgType) -> None:
            if kind is MsgType.TO2_DONE and role.pending is not None:
                self._keep(credential, role.pending, url)

        with closing(modules):
            try:
                onboarded = drive(FdoChannel(client, url), role, keep_both)
            except REFUSALS as error:
                if modules.journal.failures:
                    raise ModulesFailed(error, modules.journal.failures) from error
                raise
        identity = self._keep(credential, onboarded, url)
        return Taken(
            identity.active.guid,
            credential.guid,
            url,
            modules.received,
            modules.verdict,
            modules.journal.entries,
        )

    def _keep(
        self, credential: DeviceCredential, onboarded: Onboarded, url: str
    ) -> Identity:
        """Store what the device is from now on, with what it was until now."""
        owner = Owner(PublicKey.from_cbor(onboarded.owner_key).key, url)
        identity = Identity(credential).taken_over(onboarded.credential, owner)
        self.machine.keep(identity)
        return identity

    def _env(
        self, credential: DeviceCredential, to1d: bytes | None, modules: DeviceModules
    ) -> To2DeviceEnv:
        return To2DeviceEnv(
            credential=credential,
            device_key=self.machine.device_key,
            mac_key=self.machine.mac_key,
            random=secrets.token_bytes,
            new_kex_key=ec.generate_private_key,
            devmod=_devmod(self.machine),
            modules=modules.all,
            to1d=to1d,
            allow_reuse=True,
        )

    def _wait(self, delay: float) -> None:
        """A fleet that starts at once must not come back at once."""
        jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        self.patience.sleep(min(delay * jitter, self.patience.max_delay))


def _ways(identity: Identity) -> Iterator[tuple[DeviceCredential, Candidates]]:
    """Everything to try, in order: likeliest credential first."""
    for credential in identity.candidates():
        rv_info = RendezvousInfo.from_cbor(credential.rv_info)
        for candidates in device_addresses(rv_info):
            yield credential, candidates


def _owner_urls(to1d: bytes) -> list[str]:
    """Where to1d says the owner is; not to be believed yet."""
    payload = To1dPayload.from_cbor(Sign1.from_cbor(to1d).payload)
    addresses = to2_addresses_from_item(payload.addresses)
    return [url for address in addresses for url in address.urls]


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


def _failures(url: str, error: Exception) -> Sequence[Failure]:
    """How a try ended; one that came as far as the owner is told as the owner's."""
    if isinstance(error, NobodyThere) and error.failures:
        return error.failures
    return [(url, error)]
