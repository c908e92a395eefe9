"""The registrar's challenge: split exactly, answered as Keylime computes it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.keylime.credential_blob import CredentialBlob, auth_tag
from attestation.keylime.errors import KeylimeError

HEAD = struct.pack(">II", 0xBADCC0DE, 1)
GOOD = HEAD + b"\0\3abc" + b"\0\2de"
SPOILT = {
    "other magic": b"\0" + GOOD[1:],
    "other version": HEAD[:7] + b"\2" + GOOD[8:],
    "one octet more": GOOD + b"\0",
    "one octet less": GOOD[:-1],
    "no second part": HEAD + b"\0\3abc",
    "empty part": HEAD + b"\0\0" + b"\0\2de",
    "part beyond its bound": HEAD + b"\x08\0" + bytes(0x800) + b"\0\2de",
    "nothing": b"",
}


def test_a_blob_is_split_into_its_two_sized_parts() -> None:
    assert CredentialBlob.parse(GOOD) == CredentialBlob(b"\0\3abc", b"\0\2de")


@pytest.mark.parametrize("data", SPOILT.values(), ids=SPOILT.keys())
def test_a_blob_that_is_not_exactly_one_is_refused(data: bytes) -> None:
    with pytest.raises(KeylimeError, match="credential blob"):
        CredentialBlob.parse(data)


def test_the_tag_is_a_mac_over_the_id_under_the_base64_of_the_secret() -> None:
    # Made with: openssl dgst -sha384 -hmac "$(printf SECRET | base64)"
    tag = auth_tag(
        b"0123456789abcdefghijklmnopqrstuv", "d432fbb3-d2f1-4a97-9ef7-75bd81c0000a"
    )
    assert tag == (
        "9809068c27072cdde3dcc0411c31501eb91c4977bf2b4bbf"
        "56f83bd8f67e1ee733a862356f349bda199e994593326950"
    )


@given(st.binary(max_size=64))
def test_arbitrary_octets_raise_nothing_but_our_own_error(data: bytes) -> None:
    try:
        CredentialBlob.parse(HEAD + data)
    except KeylimeError:
        pass  # any other exception type is a bug, and fails here
