"""Device and HMAC keys in a real software TPM."""

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from hw.errors import TpmError
from hw.keys import DeviceKey, HmacKey
from hw.structures import PublicArea, TpmaObject
from ownership_vouchers.algorithms import Alg, verify
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm


@pytest.mark.parametrize(
    ("kind", "alg"), [("P-256", -7), ("P-384", -35), ("RSA-2048", -257)]
)
@pytest.mark.parametrize("size", [0, 1, 5000])
def test_the_device_key_signs_data_of_any_length(
    tpm: "Tpm", kind: str, alg: int, size: int
) -> None:
    key: DeviceKey = tpm.create_device_key(kind)
    assert key.alg == alg
    verify(key.public_key, Alg(alg), key.sign(b"d" * size), b"d" * size)


def test_neither_key_can_leave_the_tpm_or_be_used_by_password(tpm: "Tpm") -> None:
    area = PublicArea.from_bytes(tpm.create_device_key().public_area)
    area.require_device_key()
    assert TpmaObject.USER_WITH_AUTH not in area.attributes
    assert len(area.policy) == 32


def test_the_device_key_is_the_same_after_a_restart(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("restarted")
    with Tpm(software.start()) as tpm:
        area = tpm.create_device_key().public_area
        mac = tpm.create_hmac_key().mac(b"header")
    software.stop()
    with Tpm(software.start()) as tpm:
        assert tpm.device_key().public_area == area
        assert tpm.hmac_key().mac(b"header") == mac
        assert len(tpm.device_key().sign(b"data")) == 64


def test_many_restarts_do_not_lock_the_tpm_up(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.make_credential import make_credential
    from hw.tpm import Tpm

    software = make_software_tpm("often restarted")
    with Tpm(software.start()) as tpm:
        ak = tpm.create_attestation_key("ecc")
    software.stop()
    for _ in range(12):
        with Tpm(software.start()) as tpm:
            sent = make_credential(tpm.endorsement_key().public, ak.name, b"secret")
            assert tpm.activate_credential(ak, *sent) == b"secret"
        software.stop()


def test_a_new_key_replaces_the_old_one(tpm: "Tpm") -> None:
    old_key, old_mac = tpm.create_device_key(), tpm.create_hmac_key().mac(b"data")
    new_key = tpm.create_device_key()
    assert new_key.public_area != old_key.public_area
    assert tpm.device_key().public_area == new_key.public_area
    assert tpm.create_hmac_key().mac(b"data") != old_mac


@pytest.mark.parametrize(("hash_type", "size"), [(5, 32), (6, 48)])
def test_the_mac_is_that_of_one_secret_whatever_the_length(
    tpm: "Tpm", hash_type: int, size: int
) -> None:
    key: HmacKey = tpm.create_hmac_key(hash_type)
    assert key.hash_type == tpm.hmac_key().hash_type == hash_type
    macs = {key.mac(b"h" * length) for length in (0, 1, 1023, 1024, 1025, 2048, 9000)}
    assert len(macs) == 7
    assert {len(mac) for mac in macs} == {size}
    assert key.mac(b"h" * 9000) == tpm.hmac_key().mac(b"h" * 9000)


def test_long_data_is_one_hmac_and_not_one_of_its_pieces(tpm: "Tpm") -> None:
    # No one knows the secret, so the value cannot be computed beside the TPM; but it
    # must change with every byte, also beyond the first buffer.
    key = tpm.create_hmac_key()
    data = bytes(3000)
    macs = {key.mac(data[:at] + b"\1" + data[at + 1 :]) for at in (0, 1500, 2999)}
    assert len(macs | {key.mac(data), key.mac(data[:1024]), key.mac(data[1024:])}) == 6


def test_two_tpms_make_different_keys(tpm: "Tpm", other_tpm: "Tpm") -> None:
    first, second = tpm.create_hmac_key(), other_tpm.create_hmac_key()
    assert not hmac.compare_digest(first.mac(b"x"), second.mac(b"x"))
    areas = {chip.create_device_key().public_area for chip in (tpm, other_tpm)}
    assert len(areas) == 2


def test_keys_that_were_never_made_are_an_error(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    with Tpm(make_software_tpm("empty").start()) as tpm:
        for load in (tpm.device_key, tpm.hmac_key):
            with pytest.raises(TpmError, match="the TPM holds no"):
                load()
        with pytest.raises(TpmError, match="holds no rsa attestation key"):
            tpm.attestation_key("rsa")


def test_what_cannot_be_made_is_refused(tpm: "Tpm") -> None:
    with pytest.raises(TpmError, match="P-521"):
        tpm.create_device_key("P-521")
    with pytest.raises(TpmError, match="neither 5 nor 6"):
        tpm.create_hmac_key(hashlib.sha1(usedforsecurity=False).digest_size)
