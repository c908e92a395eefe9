"""When a device may forget who it was, and what its loop says of a day's work."""

import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.manifest import Manifest, ManifestKind, sign_bundle
from attestation.ticket import Ticket, mint
from attestation.withdrawal import RemovalOrder, sign_order
from onboarding.device.agent import Agent
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import NotOnboarded
from onboarding.device.loop import Event, run
from onboarding.device.machine import Machine
from onboarding.device.standing import Standing
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.scripted_owner import ScriptedOwner

NEW, OLD = Guid(b"n" * 16), Guid(b"o" * 16)
OWNER = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
MANIFEST = Manifest("edge", 1, ManifestKind.QUADLET, (("a.container", b"x"),))
DENIED: dict[str, object] = {
    "code": "release-denied",
    "detail": "last good appraisal is 31 min old",
    "remedy": "have it attest",
}


def credential(guid: Guid) -> DeviceCredential:
    return DeviceCredential(
        guid, "b", cbor.encode([]), Hash.of(HashType.SHA256, b"key")
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A device that met its owner."""
    machine = Machine(DeviceConfig("SN-1", "generic-sbc-tpm", "b", None), tmp_path)
    keys = machine.create_keys().refs
    owner = Owner(OWNER.public_key, "http://owner.test")
    machine.keep(Identity(credential(NEW), owner, keys=keys))
    return machine


@pytest.fixture
def owner(machine: Machine) -> ScriptedOwner:
    now = int(time.time())
    ticket = mint(Ticket(NEW, MANIFEST.digest(), now, now + 300, "1"), OWNER)
    bundle = sign_bundle(MANIFEST, OWNER)
    answer: dict[str, object] = {"ticket": ticket, "bundle": bundle}
    return ScriptedOwner(machine.device_key.public_key, NEW, answer)


def test_what_the_owner_took_back_is_no_longer_said_to_stand(
    machine: Machine, owner: ScriptedOwner
) -> None:
    now = int(time.time())
    order = RemovalOrder(NEW, MANIFEST.digest(), "PCR 8", now + 1, bytes(16))
    with owner.client() as client:
        agent = Agent(machine, client)
        agent.sync()
        standing = Standing.load(machine.directory)
        assert standing is not None
        assert (standing.describe() or "").startswith("edge 1, 1 file, ")
        owner.answer = {"removal_order": sign_order(order, OWNER)}
        agent.sync()
    standing = Standing.load(machine.directory)
    assert standing is not None
    assert standing.describe() is None


def test_a_device_without_an_owner_says_what_to_do(
    machine: Machine, owner: ScriptedOwner
) -> None:
    machine.keep(Identity(credential(NEW)))
    with owner.client() as client, pytest.raises(NotOnboarded, match="onboard"):
        Agent(machine, client)


def test_the_loop_tells_what_was_refused_and_goes_on(
    machine: Machine, owner: ScriptedOwner
) -> None:
    told: list[Event] = []
    owner.refusal = DENIED
    with owner.client() as client:
        run(Agent(machine, client), 0.01, threading.Event(), told.append, rounds=2)
    assert [event.name for event in told] == ["error", "refused"] * 2
    assert (told[1].detail, told[1].remedy) == (DENIED["detail"], DENIED["remedy"])


def test_the_loop_ends_when_it_is_told_to(
    machine: Machine, owner: ScriptedOwner
) -> None:
    stop = threading.Event()
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)
        stop.set()

    with owner.client() as client:
        run(Agent(machine, client), 3600, stop, tell)
    assert [event.name for event in told] == ["error", "applied"]
