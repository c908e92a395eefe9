"""Made on a bench whose platform hierarchy is open, used where firmware has closed it.

What the platform made nobody can make anew then: what has to grow must not be its.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from hw.errors import NvFixedError
from hw.nv_profile import NvProfile
from onboarding.device.credential import Identity
from onboarding.device.layouts import read_stored
from onboarding.device.machine import Machine
from onboarding.device.standard import ACTIVE, DC_ACTIVE, DC_TPM, INACTIVE, dctpm
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers.rendezvous import RendezvousInfo
from tests.support.swtpm import MakeSoftwareTpm
from tests.tpm.test_hard_times import (
    OWNER,
    close_platform,
    credential,
    machine_at,
    works,
)


def with_servers(number: int, servers: int) -> DeviceCredential:
    """A credential with so many rendezvous servers: longer, or shorter."""
    ways = [{"dns": f"rv{one}.example.com"} for one in range(servers)]
    return replace(credential(number), rv_info=RendezvousInfo.build(ways).raw)


@pytest.fixture
def closed(make_software_tpm: MakeSoftwareTpm, tmp_path: Path) -> Machine:
    software = make_software_tpm("closed later")
    with machine_at(software.start(), tmp_path) as machine:
        keys = machine.create_keys().refs
        machine.keep(Identity(with_servers(1, 2), keys=keys))
    software.stop()
    tcti = software.start()
    close_platform(tcti)
    return machine_at(tcti, tmp_path)


def change_hands(machine: Machine, new: DeviceCredential, cut_off: int = 0) -> None:
    """As TO2 does; cut off before its last message that many times."""
    for _ in range(cut_off + 1):
        name, _key = machine.create_mac_key()
        identity = machine.identity()
        machine.keep(identity.awaiting(identity.active, new, OWNER, name))
    machine.keep(machine.identity().taken())


@pytest.mark.parametrize("cut_off", [0, 1, 2])
def test_a_device_changes_hands_however_often_that_was_cut_off(
    closed: Machine, cut_off: int
) -> None:
    with closed as machine:
        for number in (2, 3):
            change_hands(machine, with_servers(number, 8 * number), cut_off)
            assert machine.identity().active == with_servers(number, 8 * number)
            assert works(machine)


def test_a_copy_for_others_that_has_no_room_is_not_active(closed: Machine) -> None:
    short, long = with_servers(2, 1), with_servers(3, 9)
    with closed as machine:
        tpm = machine.tpm
        assert tpm.nv_read(DC_ACTIVE) == ACTIVE
        change_hands(machine, short)
        stored = read_stored(tpm)
        assert stored is not None
        assert (stored.guid, stored.active) == (short.guid, True)
        change_hands(machine, long)
        stored = read_stored(tpm)
        assert stored is not None
        assert (stored.guid, stored.active) == (short.guid, False)
        assert tpm.nv_read(DC_ACTIVE) == INACTIVE
        change_hands(machine, with_servers(4, 2))  # as long as the first was
        assert tpm.nv_read(DC_TPM) == dctpm(with_servers(4, 2))
        assert tpm.nv_read(DC_ACTIVE) == ACTIVE
        assert works(machine)


def test_what_cannot_be_made_anew_is_told(closed: Machine) -> None:
    with closed as machine:
        with pytest.raises(NvFixedError, match="made by the platform hierarchy"):
            machine.tpm.nv_write(DC_TPM, bytes(2000), NvProfile.OWN)
