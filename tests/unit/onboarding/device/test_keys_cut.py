"""A device without a TPM, cut off at any file it replaces: one whole credential."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw.errors import HwError
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import DeviceError
from onboarding.device.machine import Machine
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, verify
from ownership_vouchers.keys import spki
from ownership_vouchers.types import Guid, Hash, HashType

OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")
KEY_HASH = Hash.of(HashType.SHA256, b"key")


class PowerLost(OSError):
    """Nothing happens any more."""


class Device:
    """What a witness knows of each key that the device ever made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.known: dict[bytes, bytes] = {}
        self.guids = 0

    def machine(self) -> Machine:
        return Machine(
            DeviceConfig("SN-1", "generic-no-tpm", "b", None), self.directory
        )

    def credential(self) -> DeviceCredential:
        self.guids += 1
        guid = Guid(self.guids.to_bytes(16, "big"))
        return DeviceCredential(guid, "b", cbor.encode([]), KEY_HASH)

    def initialise(self) -> None:
        machine = self.machine()
        keys = machine.create_keys()
        self.known[keys.refs.device] = spki(keys.device_key.public_key)
        self.known[keys.refs.mac] = keys.mac_key.mac(b"header")
        machine.keep(Identity(self.credential(), keys=keys.refs))

    def change_hands(self) -> None:
        machine = self.machine()
        name, key = machine.create_mac_key()
        self.known[name] = key.mac(b"header")
        identity, new = machine.identity(), self.credential()
        machine.keep(identity.awaiting(identity.active, new, OWNER, name))
        machine.keep(machine.identity().taken())

    def check(self) -> Identity:
        """Raise unless the credential is whole; as the next start finds it."""
        machine = self.machine()
        identity, key = machine.identity(), machine.device_key
        assert spki(key.public_key) == self.known[identity.keys.device]
        verify(key.public_key, Alg(key.alg), key.sign(b"data"), b"data")
        for one in identity.candidates():
            name = identity.keys_of(one).mac
            assert machine.mac_key(one).mac(b"header") == self.known[name]
        return identity


def losing_power(
    patch: pytest.MonkeyPatch, name: str, after: int, *, done: bool
) -> list[int]:
    """Let ``os.NAME`` fail at one call, done or not, and at every later one."""
    calls: list[int] = []
    real: Callable[..., None] = getattr(os, name)

    def failing(*args: object, **kwargs: object) -> None:
        calls.append(1)
        if len(calls) <= after or (done and len(calls) == after + 1):
            real(*args, **kwargs)
        if len(calls) > after:
            raise PowerLost("power lost")

    patch.setattr(os, name, failing)
    return calls


@pytest.mark.parametrize("change", [Device.initialise, Device.change_hands])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("name", ["replace", "unlink"])
def test_a_change_cut_at_any_file_leaves_one_whole_credential(
    change: Callable[[Device], None], done: bool, name: str, tmp_path: Path
) -> None:
    device = Device(tmp_path)
    device.initialise()
    seen: list[Identity] = [device.check()]
    cuts = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            calls = losing_power(patch, name, cuts, done=done)
            with suppress(HwError, DeviceError, PowerLost):
                change(device)
        seen.append(device.check())
        if len(calls) <= cuts:
            break
        cuts += 1
    assert cuts >= (3 if name == "replace" else 1)
    assert seen[-1].active != seen[0].active
    device.change_hands()  # one that is not cut: what was left over goes
    seen.append(device.check())
    named = {seen[-1].keys.device.hex(), seen[-1].keys.mac.hex()}
    kept = {path.stem.rpartition("-")[2] for path in tmp_path.glob("*.sealed")}
    assert kept == named


def test_a_device_that_answers_meanwhile_takes_no_key_from_a_run_of_to2(
    tmp_path: Path,
) -> None:
    device = Device(tmp_path)
    device.initialise()
    machine = device.machine()
    name, key = machine.create_mac_key()
    device.known[name] = key.mac(b"header")
    device.check()  # another process, as `vouchgate device run` is
    identity, new = machine.identity(), device.credential()
    machine.keep(identity.awaiting(identity.active, new, OWNER, name))
    machine.keep(machine.identity().taken())
    assert device.check().active == new
