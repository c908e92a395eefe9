"""The credential in a real software TPM: where the standard puts it, for others too."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw.credential import NV_INDICES
from hw.errors import TpmError
from hw.key_ref import KeyRef
from hw.nv_profile import BY_OWNER, PLATFORM_CREATE, WRITTEN, NvProfile
from hw.structures import PublicArea
from onboarding.cli.app import run
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import NotOnboarded
from onboarding.device.layouts import Layout, read_stored
from onboarding.device.machine import Machine
from onboarding.device.standard import DC_ACTIVE, DC_TPM, dctpm
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, verify
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

RV = RendezvousInfo.build([{"dns": "rv.example.com", "protocol": "https"}]).raw
CREDENTIAL = DeviceCredential(
    Guid(bytes(range(16))), "board", RV, Hash.of(HashType.SHA256, b"key")
)
RESOLD = replace(CREDENTIAL, guid=Guid(bytes(range(16, 32))))
OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")
HMAC_US, DEVICE_US = 0x01D10003, 0x01D10004
DEVICE_KEY, HMAC_KEY = 0x81020002, 0x81020003


def made(tcti: str, directory: Path, curve: str = "P-256") -> Machine:
    """A device as the factory leaves it."""
    kind = KeyAlgorithm(curve)
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "board", tcti, kind, kind)
    machine = Machine(config, directory)
    machine.keep(Identity(CREDENTIAL, keys=machine.create_keys().refs))
    return machine


def attributes(tcti: str) -> dict[int, int]:
    """TPMA_NV of the indices of FDO, read past our own code."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import TPM2_CAP

    found: dict[int, int] = {}
    with ESAPI(tcti) as esys:
        _, listed = esys.get_capability(TPM2_CAP.HANDLES, 0x01D10000, 16)
        for number in map(int, listed.data.handles):
            handle = esys.tr_from_tpmpublic(number)
            public, _ = esys.nv_read_public(handle)
            found[number] = int(public.nvPublic.attributes)
    return found


def test_a_device_is_laid_out_as_the_standard_says(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    tcti = make_software_tpm("laid out").start()
    with made(tcti, tmp_path) as machine:
        tpm = machine.tpm
        assert tpm.nv_read(DC_ACTIVE) == b"\1"
        assert tpm.nv_read(DC_TPM) == dctpm(CREDENTIAL)
        assert len(tpm.nv_read(HMAC_US) or b"") == 32
        assert len(tpm.nv_read(DEVICE_US) or b"") == 64
        assert machine.device_key.public_key == tpm.device_key().public_key
        assert tpm.device_key().handle == DEVICE_KEY
        mac = machine.mac_key(CREDENTIAL).mac(b"header")
        assert tpm.hmac_key().mac(b"header") == mac
    own, common = NvProfile.OWN.value, WRITTEN | PLATFORM_CREATE
    expected = {DC_ACTIVE: NvProfile.OPEN.value | common}
    expected |= {index: own | common for index in (DC_TPM, HMAC_US, DEVICE_US)}
    record = NvProfile.LOCKABLE.value | BY_OWNER | WRITTEN  # ours, and able to grow
    expected |= {NV_INDICES[0]: record}
    assert attributes(tcti) == expected


@pytest.mark.parametrize("curve", ["P-384", "RSA-2048"])
def test_other_kinds_of_device_key_are_made_again_from_their_name(
    curve: str, make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    from hw.tpm_primary import remove_persistent

    tcti = make_software_tpm(f"kind {curve}").start()
    with made(tcti, tmp_path, curve) as machine:
        public = machine.device_key.public_key
        mac = machine.mac_key(CREDENTIAL).mac(b"header")
        for handle in (DEVICE_KEY, HMAC_KEY):
            remove_persistent(machine.tpm._link, handle)
    with Machine(machine.config, tmp_path) as machine:
        key = machine.device_key
        assert key.public_key == public
        verify(public, Alg(key.alg), key.sign(b"data"), b"data")
        assert machine.mac_key(CREDENTIAL).mac(b"header") == mac
        PublicArea.from_bytes(machine.tpm.device_key().public_area).require_device_key()


def test_at_a_resale_the_hmac_key_follows_from_another_unique_string(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    from hw.tpm_primary import remove_persistent

    with made(make_software_tpm("resold").start(), tmp_path) as machine:
        tpm, public = machine.tpm, machine.device_key.public_key
        before = tpm.nv_read(HMAC_US), tpm.hmac_key().mac(b"header")
        device_us = tpm.nv_read(DEVICE_US)
        name, key = machine.create_mac_key()
        machine.keep(machine.identity().awaiting(CREDENTIAL, RESOLD, OWNER, name))
        assert (tpm.nv_read(HMAC_US), tpm.hmac_key().mac(b"header")) == before
        machine.keep(machine.identity().taken())
        unique, mac = tpm.nv_read(HMAC_US), tpm.hmac_key().mac(b"header")
        assert unique != before[0]
        assert mac == key.mac(b"header") != before[1]
        assert (tpm.nv_read(DEVICE_US), machine.device_key.public_key) == (
            device_us,
            public,
        )
        # It follows from that string, and the one before from the string before.
        remove_persistent(tpm._link, HMAC_KEY)
        ref = KeyRef.from_bytes(name)
        assert ref.unique == unique
        assert tpm.hmac_key(ref).mac(b"header") == mac
        assert before[0] is not None
        forged = replace(ref, unique=before[0])
        with pytest.raises(TpmError, match="made in another TPM"):
            tpm.settle(None, replace(forged, name=bytes(34)))


def test_a_key_is_not_made_in_another_tpm(tpm: "Tpm", other_tpm: "Tpm") -> None:
    tpm.create_device_key()
    theirs = other_tpm.stage_device_key()
    before = tpm.device_key().public_area
    with pytest.raises(TpmError, match="made in another TPM"):
        tpm.settle(theirs.ref, None)
    with pytest.raises(TpmError, match="made in another TPM"):
        tpm.device_key(theirs.ref)
    assert tpm.device_key().public_area == before


def test_a_key_whose_handle_another_has_taken_does_not_sign_for_it(tpm: "Tpm") -> None:
    first = tpm.stage_device_key()
    second = tpm.stage_device_key()  # takes the spare handle
    assert first.handle == second.place.spare
    verify(first.public_key, Alg.ES256, first.sign(b"data"), b"data")
    verify(second.public_key, Alg.ES256, second.sign(b"data"), b"data")


def test_a_locked_credential_stays_as_it_is_until_the_tpm_is_reset(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    software = make_software_tpm("locked")
    with made(software.start(), tmp_path) as machine:
        machine.lock()
        with pytest.raises(TpmError, match="locked until the machine is started anew"):
            machine.keep(machine.identity())
        for index in NV_INDICES:
            with pytest.raises(TpmError, match="locked"):
                machine.tpm.nv_write(index, b"x", NvProfile.LOCKABLE)
        assert machine.identity().active == CREDENTIAL
        assert len(machine.device_key.sign(b"data")) == 64
    software.stop()
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "board", software.start())
    with Machine(config, tmp_path) as machine:
        machine.keep(machine.identity())


def test_tpm2_tools_find_the_credential(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    if shutil.which("tpm2_nvread") is None:
        pytest.skip("tpm2_nvread is not installed (Debian package tpm2-tools)")
    tcti = make_software_tpm("read by others").start()
    with made(tcti, tmp_path):
        pass
    command = ["tpm2_nvread", "-T", tcti, f"{DC_TPM:#x}"]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    assert done.stdout == dctpm(CREDENTIAL)


def test_a_credential_of_another_client_is_told_and_not_destroyed(
    make_software_tpm: MakeSoftwareTpm,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hw.tpm import Tpm

    tcti = make_software_tpm("of another client").start()
    item = [101, "theirs", bytes(16), [], [-16, bytes(32)]]
    assert run(["device", "credential", "--tcti", tcti]) == 1
    with Tpm(tcti) as tpm:
        tpm.nv_write(DC_TPM, cbor.encode([5, *item]))
        stored = read_stored(tpm)
    assert stored is not None
    assert (stored.layout, stored.active) == (Layout.C_CLIENT, None)
    assert run(["device", "credential", "--tcti", tcti]) == 0
    assert "client-sdk-fidoiot" in capsys.readouterr().out
    command = ["device", "di", "--url", "http://127.0.0.1:1", "--serial", "SN-1"]
    command += ["--tcti", tcti, "--directory", str(tmp_path / "device")]
    assert run(command) == 1
    assert "holds a credential already" in capsys.readouterr().err
    with Tpm(tcti) as tpm:
        assert read_stored(tpm) == stored


def clear_owner(tcti: str) -> None:
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR

    with ESAPI(tcti) as esys:
        esys.clear(ESYS_TR.LOCKOUT)


def test_an_owner_that_clears_the_tpm_takes_the_hmac_key_and_we_say_so(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    """A symmetric primary follows from a proof that TPM2_Clear changes, too."""
    tcti = make_software_tpm("cleared").start()
    with made(tcti, tmp_path) as machine:
        public, identity = machine.device_key.public_key, machine.identity()
    clear_owner(tcti)
    with Machine(machine.config, tmp_path) as machine:
        with pytest.raises(NotOnboarded, match="vouchgate device di"):
            machine.identity()
        device, mac = map(KeyRef.from_bytes, (identity.keys.device, identity.keys.mac))
        with pytest.raises(TpmError, match="or this one was cleared since"):
            machine.tpm.hmac_key(mac)
        assert machine.tpm.device_key(device).public_key == public
        # The copy for others outlives it, and is not destroyed without --force.
        stored = read_stored(machine.tpm)
        assert stored is not None
        assert stored.guid == CREDENTIAL.guid


def test_an_owner_that_clears_the_tpm_takes_what_was_made_under_it(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR

    tcti = make_software_tpm("cleared without a platform").start()
    with ESAPI(tcti) as esys:
        esys.hierarchy_control(ESYS_TR.RH_PLATFORM, ESYS_TR.RH_PLATFORM, False)
    with made(tcti, tmp_path) as machine:
        assert len(machine.device_key.sign(b"data")) == 64
    clear_owner(tcti)
    with Machine(machine.config, tmp_path) as machine:
        with pytest.raises(NotOnboarded, match="vouchgate device di"):
            machine.identity()
