"""Keys that a software TPM wraps: whose children they are, and what it refuses."""

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from hw.errors import StructureError, TpmError
from ownership_vouchers.algorithms import Alg, verify
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm_wrapped import Wrapped, WrappingTpm

VALUE = b"a value of tests"
WORDS = b"words"


@pytest.fixture
def tcti(make_software_tpm: MakeSoftwareTpm) -> Iterator[str]:
    chip = make_software_tpm("of keys")
    yield chip.start()
    chip.stop()


@pytest.fixture
def wrapping(tcti: str) -> "Iterator[WrappingTpm]":
    from hw.tpm_wrapped import WrappingTpm

    tpm = WrappingTpm(tcti, lambda: VALUE)
    yield tpm
    tpm.close()


def parent_of(key: "Wrapped") -> int:
    from hw.tss import TSSPrivKey

    return int(TSSPrivKey.from_der(key.der).parent)


def signs(tpm: "WrappingTpm", key: "Wrapped") -> None:
    made = tpm.sign(key.der, sha256(WORDS).digest(), "ecdsa")
    verify(key.public_key, Alg.ES256, made, WORDS)


def test_a_key_is_the_storage_keys_child_where_there_is_one(
    tcti: str, wrapping: "WrappingTpm"
) -> None:
    from hw.tpm_storage import OWNER_HIERARCHY, STORAGE_KEY, storage_key
    from hw.tss import ESYS_TR, Link

    before = wrapping.create("P-256", decrypts=False)
    assert parent_of(before) == OWNER_HIERARCHY
    link = Link(tcti)
    with storage_key(link, OWNER_HIERARCHY) as made, link.use("keep it") as esys:
        esys.evict_control(ESYS_TR.RH_OWNER, made, STORAGE_KEY)
    link.close()
    wrapping.close()
    after = wrapping.create("P-256", decrypts=False)
    assert parent_of(after) == STORAGE_KEY
    signs(wrapping, before)
    signs(wrapping, after)


def test_a_hierarchy_with_a_value_needs_a_storage_key_in_its_place(
    tcti: str, wrapping: "WrappingTpm"
) -> None:
    from hw.tss import ESYS_TR, Link

    link = Link(tcti)
    with link.use("set a value") as esys:
        esys.hierarchy_change_auth(ESYS_TR.RH_OWNER, b"the owner's")
    link.close()
    with pytest.raises(TpmError, match="must be in its place, 0x81000001"):
        wrapping.create("P-256", decrypts=False)


def test_a_kind_that_the_tpm_lacks_is_refused_before_it_is_made(tcti: str) -> None:
    from hw.tpm_storage import KEPT, require_kind
    from hw.tss import TPMA_OBJECT, TPMT_PUBLIC, Link

    link = Link(tcti)
    signing = KEPT | TPMA_OBJECT.SIGN_ENCRYPT
    for kind, algorithm in (
        ("RSA-2048", "rsa2048:null:null"),
        ("RSA-4096", "rsa4096:null:null"),
    ):
        area = TPMT_PUBLIC.parse(algorithm, objectAttributes=signing, nameAlg="sha256")
        if kind == "RSA-2048":
            require_kind(link, kind, area)
            continue
        with pytest.raises(TpmError, match="this TPM has no RSA-4096 keys"):
            require_kind(link, kind, area)
    link.close()


def test_what_is_no_key_is_refused(wrapping: "WrappingTpm") -> None:
    with pytest.raises(StructureError, match="not a TPM"):
        wrapping.sign(b"\x30\x00", b"\0" * 32, "ecdsa")
    with pytest.raises(TpmError, match="keys in a TPM are P-256"):
        wrapping.create("P-521", decrypts=False)


def test_a_key_that_signs_only_does_not_decrypt(wrapping: "WrappingTpm") -> None:
    key = wrapping.create("RSA-2048", decrypts=False)
    with pytest.raises(TpmError, match="decrypt"):
        wrapping.decrypt(key.der, b"\1" * 256)
