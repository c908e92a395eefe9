"""NV of a real software TPM, the credential in it, and the connection itself."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hw.credential import MAX_CREDENTIAL, NV_INDICES, NvCredential
from hw.errors import TpmError, TpmUnavailableError
from tests.support.swtpm import MakeSoftwareTpm, require_swtpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

INDEX = 0x01D10005


def test_nv_gives_back_what_was_written_and_grows_when_need_be(tpm: "Tpm") -> None:
    assert tpm.nv_read(INDEX) is None
    for data in (b"a", b"b" * 1024, b"c" * 2048):
        tpm.nv_write(INDEX, data)
        assert tpm.nv_read(INDEX) == data
    tpm.nv_write(INDEX, b"front")
    assert tpm.nv_read(INDEX) == b"front" + b"c" * 2043


@pytest.mark.parametrize("size", [0, 2049])
def test_nv_refuses_what_no_index_holds(tpm: "Tpm", size: int) -> None:
    with pytest.raises(TpmError, match="do not fit"):
        tpm.nv_write(INDEX, bytes(size))


def test_keys_and_nv_need_no_platform_hierarchy(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR

    from hw.tpm import Tpm

    tcti = make_software_tpm("booted by firmware").start()
    with ESAPI(tcti) as esys:
        esys.hierarchy_control(ESYS_TR.RH_PLATFORM, ESYS_TR.RH_PLATFORM, False)
    with Tpm(tcti) as tpm:
        assert len(tpm.create_device_key().sign(b"data")) == 64
        for data in (b"short", b"longer than that"):
            tpm.nv_write(INDEX, data)
            assert tpm.nv_read(INDEX) == data


def test_the_credential_outlives_a_restart_and_one_broken_copy(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("credential")
    with Tpm(software.start()) as tpm:
        store = NvCredential(tpm)
        assert store.load() is None
        for credential in (b"first", b"x" * MAX_CREDENTIAL, b"third", b"fourth"):
            store.save(credential)
            assert store.load() == credential
    software.stop()
    with Tpm(software.start()) as tpm:
        assert NvCredential(tpm).load() == b"fourth"
        tpm.nv_write(NV_INDICES[1], b"torn")
        assert NvCredential(tpm).load() == b"third"


def test_a_copied_credential_is_read_in_another_tpm(
    tpm: "Tpm", other_tpm: "Tpm"
) -> None:
    NvCredential(tpm).save(b"software state")
    copied = NvCredential(tpm).load()
    assert copied is not None
    NvCredential(other_tpm).save(copied)
    assert NvCredential(other_tpm).load() == b"software state"


def test_threads_take_turns(tpm: "Tpm") -> None:
    key, mac = tpm.create_device_key(), tpm.create_hmac_key()
    failures: list[Exception] = []
    macs: set[bytes] = set()

    def work() -> None:
        try:
            for _ in range(10):
                key.sign(b"data")
                macs.add(mac.mac(b"m" * 3000))
                tpm.random(40)
        except TpmError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(macs) == 1


def test_what_a_dead_client_left_in_the_tpm_is_cleared(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR, TPM2_ALG, TPM2_SE
    from tpm2_pytss.types import TPMT_SYM_DEF

    from hw.tpm import Tpm

    tcti = make_software_tpm("littered").start()
    with ESAPI(tcti) as esys:
        null = TPMT_SYM_DEF(algorithm=TPM2_ALG.NULL)
        nobody = (ESYS_TR.NONE, ESYS_TR.NONE)
        for _ in range(3):
            esys.create_primary(None, "ecc")
            esys.start_auth_session(*nobody, TPM2_SE.HMAC, null, TPM2_ALG.SHA256)
    with Tpm(tcti) as tpm:
        assert len(tpm.create_device_key().sign(b"data")) == 64


def test_what_a_client_left_that_died_in_a_sequence_is_cleared(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import TPM2_ALG

    from hw.tpm import Tpm

    tcti = make_software_tpm("died in a sequence").start()
    with ESAPI(tcti) as esys:
        for _ in range(3):
            esys.hash_sequence_start(None, TPM2_ALG.SHA256)
    with Tpm(tcti) as tpm:
        assert len(tpm.create_hmac_key().mac(b"data")) == 32


def test_two_clients_work_side_by_side(make_software_tpm: MakeSoftwareTpm) -> None:
    from hw.tpm import Tpm

    tcti = make_software_tpm("wanted by two").start()
    with Tpm(tcti) as first:
        first.create_device_key()
        first.create_hmac_key()
        first.create_attestation_key("ecc")

        def work(_: int) -> bytes:
            with Tpm(tcti) as own:
                ak, key, mac = own.attestation_key("ecc"), own.device_key(), b""
                for _ in range(20):
                    own.certify(key, ak, key.sign(b"data")[:32])
                    mac = own.hmac_key().mac(bytes(4000))
                return mac

        with ThreadPoolExecutor(2) as pool:
            assert len(set(pool.map(work, range(2)))) == 1


def test_what_another_client_takes_away_is_not_remembered(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm
    from hw.tpm_keys import DEVICE
    from hw.tpm_nv import nv_remove
    from hw.tpm_primary import name_at

    tcti = make_software_tpm("changed by another").start()
    with Tpm(tcti) as ours, Tpm(tcti) as theirs:
        key = ours.device_key(theirs.stage_device_key().ref)
        assert key.handle == DEVICE.spare
        theirs.settle(key.ref, None)
        assert name_at(ours._link, DEVICE.spare) is None
        assert len(key.sign(b"data")) == 64
        for write in (ours.nv_write, ours.nv_write, theirs.nv_write):
            write(INDEX, b"one")
            assert ours.nv_read(INDEX) == b"one"
            nv_remove(theirs._link, INDEX)
            assert ours.nv_read(INDEX) is None


def test_a_closed_connection_says_so_and_closes_twice(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    tpm = Tpm(make_software_tpm("closed").start())
    tpm.close()
    tpm.close()
    with pytest.raises(TpmError, match="closed"):
        tpm.random(1)


@pytest.mark.parametrize(
    "tcti", ["swtpm:host=127.0.0.1,port=1", "device:/dev/absent", "no-such-tcti:x"]
)
def test_no_tpm_there_is_an_error_of_ours(tcti: str) -> None:
    require_swtpm()
    from hw.tpm import Tpm

    with pytest.raises(TpmUnavailableError, match="no TPM at"):
        Tpm(tcti)


def test_a_device_file_that_is_not_there_or_not_ours_is_told(tmp_path: Path) -> None:
    require_swtpm()
    from hw.tpm import Tpm

    with pytest.raises(TpmUnavailableError, match="there is no such device"):
        Tpm(f"device:{tmp_path / 'tpmrm0'}")
    kept = tmp_path / "kept"
    kept.touch(mode=0o000)
    why = "tcti:" if os.geteuid() == 0 else "may not open it"
    with pytest.raises(TpmUnavailableError, match=why):
        Tpm(f"device:{kept}")


def test_random_bytes_are_as_many_as_asked_for(tpm: "Tpm") -> None:
    sizes = [0, 1, 32, 33, 200]
    assert [len(tpm.random(size)) for size in sizes] == sizes
    assert tpm.random(32) != tpm.random(32)
