"""NV indices that are locked by us until a reset, and those of other clients."""

import pytest

from hw.credential import MAX_CREDENTIAL, NV_INDICES, NvCredential
from hw.errors import TpmError
from hw.nv_profile import NvProfile
from onboarding.device.layouts import Layout, read_stored
from onboarding.device.standard import DC_TPM
from ownership_vouchers import cbor
from tests.support.swtpm import MakeSoftwareTpm

UNTIL_RESET = "is locked until the machine is started anew"
# As client-sdk-fidoiot and go-fdo-client define DCTPM's index.
OF_CLIENTS = "ownerwrite|authwrite|ownerread|authread|no_da"
OF_CLIENTS += "|read_stclear|write_stclear|writedefine"


def close_platform(tcti: str) -> None:
    """As firmware does before any operating system runs: indices are the owner's."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR

    with ESAPI(tcti) as esys:
        esys.hierarchy_control(ESYS_TR.PLATFORM, ESYS_TR.PLATFORM, False)


@pytest.mark.parametrize("made_by", ["platform", "owner"])
def test_a_locked_credential_gives_way_to_none_of_another_size_or_profile(
    make_software_tpm: MakeSoftwareTpm, made_by: str
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm(f"locked and made by {made_by}")
    tcti = software.start()
    if made_by == "owner":
        close_platform(tcti)
    with Tpm(tcti) as tpm:
        store = NvCredential(tpm)
        store.save(b"small")
        store.lock()
        for size in (1, 250, MAX_CREDENTIAL):
            with pytest.raises(TpmError, match=UNTIL_RESET):
                store.save(bytes(size))
        for index in NV_INDICES:
            for profile in NvProfile:
                with pytest.raises(TpmError, match=UNTIL_RESET):
                    tpm.nv_write(index, b"x", profile, exact=True)
        assert store.load() == b"small"
    software.stop()
    with Tpm(software.start()) as tpm:
        NvCredential(tpm).save(bytes(MAX_CREDENTIAL))
        assert NvCredential(tpm).load() == bytes(MAX_CREDENTIAL)


def written_by_another_client(
    tcti: str, data: bytes, *, hashing: str = "SHA256", lock: bool = False
) -> None:
    """Its credential; locked for reading and writing, as its builds can do."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR, TPM2_ALG, TPMA_NV
    from tpm2_pytss.types import TPM2B_NV_PUBLIC, TPMS_NV_PUBLIC

    area = TPMS_NV_PUBLIC(
        nvIndex=DC_TPM,
        nameAlg=TPM2_ALG.parse(hashing),
        attributes=TPMA_NV.parse(OF_CLIENTS),
        dataSize=len(data),
    )
    with ESAPI(tcti) as esys:
        public = TPM2B_NV_PUBLIC(nvPublic=area)
        handle = esys.nv_define_space(b"", public, ESYS_TR.OWNER)
        esys.nv_write(handle, data, 0, auth_handle=ESYS_TR.OWNER)
        if lock:
            esys.nv_write_lock(handle, auth_handle=ESYS_TR.OWNER)
            esys.nv_read_lock(handle, auth_handle=ESYS_TR.OWNER)


def test_what_another_client_has_locked_for_reading_is_said_so_and_not_taken_for_none(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("locked by another client")
    tcti = software.start()
    written_by_another_client(tcti, b"theirs", lock=True)
    with Tpm(tcti) as tpm:
        with pytest.raises(TpmError, match="is locked for reading until the machine"):
            read_stored(tpm)
    software.stop()
    with Tpm(software.start()) as tpm:
        assert tpm.nv_read(DC_TPM) == b"theirs"
        # It stays locked for writing; who means to destroy it does so all the same.
        tpm.nv_write(DC_TPM, b"ours!!", NvProfile.OWN, exact=True)
        assert tpm.nv_read(DC_TPM) == b"ours!!"


CORE = [101, "theirs", bytes(16), [], [-43, bytes(48)]]
WRITTEN = {  # go-fdo-client names the index by the hash of its kind of key
    "go with P-256": (Layout.GO_CLIENT, [[*CORE, 0, 0], 2], "SHA256"),
    "go with P-384": (Layout.GO_CLIENT, [[*CORE, 0, 0], 3], "SHA384"),
    "C": (Layout.C_CLIENT, [3, *CORE], "SHA256"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_index_of_another_client_is_read_as_it_defines_it(
    make_software_tpm: MakeSoftwareTpm, name: str
) -> None:
    from hw.tpm import Tpm

    layout, item, hashing = WRITTEN[name]
    tcti = make_software_tpm(f"of {name}").start()
    written_by_another_client(tcti, cbor.encode(item), hashing=hashing)
    with Tpm(tcti) as tpm:
        stored = read_stored(tpm)
    assert stored is not None
    assert (stored.layout, stored.device_info) == (layout, "theirs")
