"""What happens to TPMs in the field: swapped, reset, full, locked out."""

from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw.errors import TpmError
from hw.evidence import EkAlg
from hw.make_credential import make_credential
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import NotOnboarded
from onboarding.device.machine import Machine
from onboarding.device.standard import DC_TPM, dctpm
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, verify
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.swtpm import MakeSoftwareTpm

OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")
KEY_HASH = Hash.of(HashType.SHA256, b"key")
FREE = range(0x01D20000, 0x01D20100)  # indices that fill the memory


def credential(number: int) -> DeviceCredential:
    return DeviceCredential(Guid(bytes([number] * 16)), "b", cbor.encode([]), KEY_HASH)


def machine_at(tcti: str, directory: Path) -> Machine:
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "board", tcti)
    return Machine(config, directory)


def initialise(machine: Machine, number: int = 1) -> None:
    keys = machine.create_keys().refs
    machine.keep(Identity(credential(number), keys=keys))


def works(machine: Machine) -> bool:
    key = machine.device_key
    verify(key.public_key, Alg(key.alg), key.sign(b"data"), b"data")
    active = machine.identity().active
    return len(machine.mac_key(active).mac(b"header")) == 32


def test_a_board_whose_tpm_was_swapped_is_no_device(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    first, second = (make_software_tpm(f"swapped {n}").start() for n in (1, 2))
    with machine_at(first, tmp_path) as machine:
        initialise(machine)
    with machine_at(second, tmp_path) as machine:
        with pytest.raises(NotOnboarded, match="device di"):
            machine.identity()


def test_a_credential_carried_to_another_tpm_has_no_keys_there(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    first, second = (make_software_tpm(f"carried {n}").start() for n in (1, 2))
    with machine_at(first, tmp_path) as machine:
        initialise(machine)
        carried = machine.identity()
    with machine_at(second, tmp_path / "other") as machine:
        initialise(machine, 2)
        before = machine.device_key.public_key
        with pytest.raises(TpmError, match="made in another TPM"):
            machine.keep(carried)
        assert machine.tpm.device_key().public_key == before


def test_two_boards_whose_tpms_were_exchanged_are_who_their_tpms_are(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    tpms = [make_software_tpm(f"exchanged {n}").start() for n in (1, 2)]
    boards = [tmp_path / "board 1", tmp_path / "board 2"]
    publics = []
    for number, (tcti, board) in enumerate(zip(tpms, boards, strict=True), 1):
        with machine_at(tcti, board) as machine:
            initialise(machine, number)
            publics.append(machine.device_key.public_key)
    for tcti, board, number in zip(tpms, reversed(boards), (1, 2), strict=True):
        with machine_at(tcti, board) as machine:
            assert machine.identity().active == credential(number)
            assert machine.device_key.public_key == publics[number - 1]
            assert works(machine)


def close_platform(tcti: str) -> None:
    """As firmware does before any operating system runs: indices are the owner's."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR

    with ESAPI(tcti) as esys:
        esys.hierarchy_control(ESYS_TR.PLATFORM, ESYS_TR.PLATFORM, False)


def clear(tcti: str) -> None:
    """Clear the owner's hierarchy, as firmware menus and installers offer."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR

    with ESAPI(tcti) as esys:
        esys.clear(ESYS_TR.LOCKOUT)


DEFINED = ("by firmware", "by the owner")


@pytest.mark.parametrize("defined", DEFINED)
def test_a_cleared_tpm_is_the_same_chip_without_a_device(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path, defined: str
) -> None:
    tcti = make_software_tpm(f"cleared {defined}").start()
    if defined == "by the owner":
        close_platform(tcti)
    with machine_at(tcti, tmp_path) as machine:
        initialise(machine)
        assert works(machine)
        machine.tpm.create_attestation_key("ecc")
        ek = machine.tpm.endorsement_key()
    clear(tcti)
    with machine_at(tcti, tmp_path) as machine:
        with pytest.raises(NotOnboarded, match="no credential yet: run `vouchgate"):
            _ = machine.device_key
        with pytest.raises(TpmError, match="holds no ecc attestation key"):
            machine.tpm.attestation_key("ecc")
        assert machine.tpm.endorsement_key() == ek
        initialise(machine, 2)
        assert works(machine)
        assert machine.identity().active == credential(2)


def test_a_reset_takes_pcrs_and_nothing_else(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    software = make_software_tpm("reset")
    with machine_at(software.start(), tmp_path) as machine:
        initialise(machine)
        machine.tpm.create_attestation_key("ecc")
        machine.tpm.extend(8, b"kernel")
        assert machine.tpm.read_pcrs("sha256", [8]) != {8: "00" * 32}
        public = machine.device_key.public_key
    software.stop()
    with machine_at(software.start(), tmp_path) as machine:
        assert machine.tpm.read_pcrs("sha256", [8]) == {8: "00" * 32}
        assert machine.device_key.public_key == public
        assert works(machine)
        machine.tpm.attestation_key("ecc")


def fill(machine: Machine) -> list[int]:
    """Fill the TPM's memory to the last index that fits; which they are."""
    made: list[int] = []
    for size in (2048, 256, 8):
        with suppress(TpmError):
            for index in FREE:
                if index not in made:
                    machine.tpm.nv_write(index, bytes(size))
                    made.append(index)
    return made


@pytest.mark.parametrize("defined", DEFINED)
def test_a_full_tpm_says_so_and_keeps_the_credential_it_has(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path, defined: str
) -> None:
    from hw.tpm_nv import nv_remove

    tcti = make_software_tpm(f"full {defined}").start()
    if defined == "by the owner":
        close_platform(tcti)
    with machine_at(tcti, tmp_path) as machine:
        initialise(machine)
        made = fill(machine)
        before = machine.identity()
        with pytest.raises(TpmError, match=r"memory is full.*tpm2_nvundefine"):
            machine.keep(before.awaiting(before.active, credential(2), OWNER))
        assert machine.identity() == before
        assert works(machine)
        for index in made:
            nv_remove(machine.tpm._link, index)
        initialise(machine, 3)
    with machine_at(tcti, tmp_path) as machine:
        assert machine.identity().active == credential(3)
        assert machine.tpm.nv_read(DC_TPM) == dctpm(credential(3))


def test_a_tpm_that_was_full_before_there_was_a_device_says_so(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    from hw.tpm_primary import RESTRICTED_ATTRIBUTES as SIGNS
    from hw.tpm_primary import make_persistent, template

    with machine_at(make_software_tpm("full of others").start(), tmp_path) as machine:
        fill(machine)
        with pytest.raises(TpmError, match=r"memory is full: no 64 bytes for NV"):
            initialise(machine)
        with pytest.raises(NotOnboarded):
            machine.identity()
        key, link = template("ecc256:ecdsa-sha256:null", SIGNS), machine.tpm._link

        def make_many() -> None:
            for handle in range(0x81000200, 0x81000280):  # a few always have their room
                make_persistent(link, key, handle)

        with pytest.raises(TpmError, match=r"memory is full: no room for key 0x810002"):
            make_many()


def lock_out(tcti: str) -> None:
    """Guess a password wrongly once, where once is once too often."""
    from tpm2_pytss import ESAPI, TSS2_Exception
    from tpm2_pytss.constants import ESYS_TR, TPM2_ALG, TPM2_RC, TPMA_OBJECT
    from tpm2_pytss.types import TPM2B_SENSITIVE_CREATE, TPMS_SENSITIVE_CREATE

    from hw.tpm_primary import template

    attributes = TPMA_OBJECT.SENSITIVEDATAORIGIN | TPMA_OBJECT.USERWITHAUTH
    guessable = template("hmac:sha256", attributes | TPMA_OBJECT.SIGN_ENCRYPT)
    with ESAPI(tcti) as esys:
        esys.dictionary_attack_parameters(1, 10_000, 10_000, ESYS_TR.LOCKOUT)
        secret = TPM2B_SENSITIVE_CREATE(TPMS_SENSITIVE_CREATE(userAuth=b"right"))
        key, *_ = esys.create_primary(secret, guessable)
        esys.tr_set_auth(key, b"wrong")
        for _ in range(2):
            with pytest.raises(TSS2_Exception) as refused:
                esys.hmac(key, b"data", TPM2_ALG.NULL)
        assert refused.value.error == TPM2_RC.LOCKOUT
        esys.flush_context(key)


def test_a_tpm_that_is_locked_out_still_speaks_for_its_device(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    tcti = make_software_tpm("locked out").start()
    with machine_at(tcti, tmp_path) as machine:
        initialise(machine)
        ak = machine.tpm.create_attestation_key("ecc")
    lock_out(tcti)
    with machine_at(tcti, tmp_path) as machine:
        assert works(machine)
        machine.tpm.quote(ak, b"nonce", "sha256", [0, 7])
        initialise(machine, 2)
        assert works(machine)


CERTIFICATES: dict[EkAlg, int] = {
    "rsa2048-high": 0x01C00012,
    "ecc256-high": 0x01C00014,
    "rsa3072": 0x01C0001C,
}


def test_a_tpm_that_is_locked_out_can_be_bound_by_whichever_endorsement_key(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    tcti = make_software_tpm("locked out and bound").start()
    with Tpm(tcti) as tpm:
        ak = tpm.create_attestation_key("ecc")
        for index in CERTIFICATES.values():
            tpm.nv_write(index, b"a vendor's certificate")
        keys = {alg: tpm.endorsement_key(alg).public for alg in get_args(EkAlg)}
    lock_out(tcti)
    with Tpm(tcti) as tpm:
        for alg, public in keys.items():
            sent = make_credential(public, ak.name, b"secret")
            assert tpm.activate_credential(ak, *sent, alg) == b"secret"
