"""Power lost at any change to the TPM: the device has one whole credential.

Whole means: it is the old one or the new one, the device key signs, the HMAC key gives
what it gave when it was made, and other programs find the same credential.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw.errors import HwError
from hw.nv_profile import PLATFORM_CREATE
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import NotOnboarded
from onboarding.device.layouts import read_stored
from onboarding.device.machine import Machine
from onboarding.device.standard import ACTIVE, DC_ACTIVE, DC_TPM, dctpm
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, verify
from ownership_vouchers.keys import spki
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.cut_tpm import CutTpm
from tests.support.swtpm import MakeSoftwareTpm

OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")
HEADER = b"header of a voucher"


@pytest.fixture(scope="module")
def line(make_software_tpm: MakeSoftwareTpm) -> Iterator[CutTpm]:
    with CutTpm(make_software_tpm("cut off").start()) as line:
        yield line
    assert not line.others  # else a change may have been cut at fewer steps than it has


class Device:
    """A device over a bad line, and what a witness knows of each key it ever made."""

    def __init__(self, line: CutTpm, directory: Path) -> None:
        self.line, self.directory = line, directory
        self.macs: dict[bytes, bytes] = {}
        self.publics: dict[bytes, bytes] = {}
        self.guids = 0

    def machine(self) -> Machine:
        config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", self.line.tcti)
        return Machine(config, self.directory)

    def credential(self) -> DeviceCredential:
        self.guids += 1
        guid = Guid(hashlib.sha256(b"%d" % self.guids).digest()[:16])
        key_hash = Hash.of(HashType.SHA256, b"key")
        return DeviceCredential(guid, "board", cbor.encode([]), key_hash)

    def initialise(self, machine: Machine) -> None:
        """As the factory does, also to a device that has been through it."""
        keys = machine.create_keys()
        self.publics[keys.refs.device] = spki(keys.device_key.public_key)
        self.macs[keys.refs.mac] = keys.mac_key.mac(HEADER)
        machine.keep(Identity(self.credential(), keys=keys.refs))

    def change_hands(self, machine: Machine) -> None:
        """As TO2 does: kept before 70, taken on after 71."""
        name, key = machine.create_mac_key()
        self.macs[name] = key.mac(HEADER)
        identity = machine.identity()
        new = self.credential()
        machine.keep(identity.awaiting(identity.active, new, OWNER, name))
        machine.keep(machine.identity().taken())

    def check(self, machine: Machine) -> Identity:
        """Raise unless the credential is whole."""
        identity = machine.identity()
        key = machine.device_key
        assert spki(key.public_key) == self.publics[identity.keys.device]
        verify(key.public_key, Alg(key.alg), key.sign(HEADER), HEADER)
        for one in identity.candidates():
            name = identity.keys_of(one).mac
            assert machine.mac_key(one).mac(HEADER) == self.macs[name]
        assert machine.tpm.nv_read(DC_TPM) == dctpm(identity.active)
        assert machine.tpm.nv_read(DC_ACTIVE) == ACTIVE
        return identity


Change = Callable[[Device, Machine], None]


@pytest.mark.parametrize(
    "change", [Device.initialise, Device.change_hands], ids=["factory", "new owner"]
)
@pytest.mark.parametrize("answered", [False, True], ids=["not done", "done unseen"])
def test_a_change_cut_at_any_step_leaves_one_whole_credential(
    line: CutTpm, change: Change, answered: bool, tmp_path: Path
) -> None:
    device = Device(line, tmp_path)
    line.mend()
    with device.machine() as machine:
        device.initialise(machine)
    seen: list[str] = []
    while True:
        line.mend()
        with device.machine() as machine:
            before = device.check(machine)
            line.cut(len(seen), answered=answered)
            with suppress(HwError):
                change(device, machine)
        cut = line.dead
        line.mend()
        with device.machine() as machine:
            after = device.check(machine)
        seen.append(what_it_was(before, after))
        if not cut:
            break
    assert len(seen) >= 8
    assert (seen[0], seen[-1]) == ("old", "new")


@pytest.mark.parametrize("answered", [False, True], ids=["not done", "done unseen"])
def test_the_first_factory_run_cut_at_any_step_leaves_a_whole_device_or_none(
    line: CutTpm, answered: bool, tmp_path: Path
) -> None:
    device, cuts, made = Device(line, tmp_path), 0, False
    while True:
        line.mend()
        make_blank(line.tcti)
        with device.machine() as machine:
            line.cut(cuts, answered=answered)
            with suppress(HwError):
                device.initialise(machine)
        cut = line.dead
        line.mend()
        with device.machine() as machine:
            try:
                device.check(machine)
                made = True
            except NotOnboarded:
                assert not made  # once far enough, it is there at every later cut
                assert read_stored(machine.tpm) is None  # nothing to be forced
                device.initialise(machine)
                device.check(machine)
        if not cut:
            break
        cuts += 1
    assert cuts >= 8
    assert made


def make_blank(tcti: str) -> None:
    """As a new chip in a PC, whose firmware has closed the platform hierarchy."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR, TPM2_CAP

    with ESAPI(tcti) as esys:
        _, listed = esys.get_capability(TPM2_CAP.HANDLES, 0x01D10000, 32)
        for number in map(int, listed.data.handles):
            handle = esys.tr_from_tpmpublic(number)
            public, _ = esys.nv_read_public(handle)
            by_platform = int(public.nvPublic.attributes) & PLATFORM_CREATE
            creator = ESYS_TR.PLATFORM if by_platform else ESYS_TR.OWNER
            esys.nv_undefine_space(handle, auth_handle=creator)
        esys.clear(ESYS_TR.LOCKOUT)


def what_it_was(before: Identity, after: Identity) -> str:
    if after == before:
        return "old"
    if after.pending is not None:
        assert (after.active, after.keys) == (before.active, before.keys)
        return "pending"
    return "new"


def test_a_device_that_answers_meanwhile_takes_no_key_from_a_run_of_to2(
    line: CutTpm, tmp_path: Path
) -> None:
    device = Device(line, tmp_path)
    line.mend()
    with device.machine() as machine, device.machine() as beside:
        device.initialise(machine)
        name, key = machine.create_mac_key()
        device.macs[name] = key.mac(HEADER)
        device.check(beside)  # another process, as `vouchgate device run` is
        identity, new = machine.identity(), device.credential()
        machine.keep(identity.awaiting(identity.active, new, OWNER, name))
        device.check(beside)
        machine.keep(machine.identity().taken())
    with device.machine() as machine:
        assert device.check(machine).active == new
