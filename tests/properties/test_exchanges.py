"""Key exchanges and the tunnel: both sides agree, and no bytes escape our errors."""

import secrets
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.protocol.ciphers import EVERY, CipherSuite
from onboarding.protocol.kex import Draw, answer, half_from_item, new_half
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.message import ErrorCode, KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from tests.support.any_bytes import ANY, STEADY, mutations, outcome
from tests.support.supply_chain import new_key

OURS = (ErrorCode.MESSAGE_BODY_ERROR, ErrorCode.INVALID_MESSAGE_ERROR)
KINDS = {
    KexSuite.ECDH256: "P-256",
    KexSuite.ECDH384: "P-384",
    KexSuite.DHKEXID14: "RSA-2048",
    KexSuite.DHKEXID15: "RSA-3072",
    KexSuite.ASYMKEX2048: "RSA-2048",
    KexSuite.ASYMKEX3072: "RSA-3072",
}
OWNERS = {suite: SoftSigner(new_key(kind)) for suite, kind in KINDS.items()}
DRAW = Draw(secrets.token_bytes)
HALVES = {suite: new_half(suite, DRAW) for suite in KexSuite}
SENT = {
    suite: answer(suite, HALVES[suite].sent, OWNERS[suite].public_key, DRAW)[0]
    for suite in KexSuite
}


@pytest.mark.parametrize("suite", KexSuite)
@STEADY
@given(data=st.data())
def test_no_bytes_from_a_device_escape_an_exchange(
    suite: KexSuite, data: st.DataObject
) -> None:
    sent = data.draw(ANY | mutations(SENT[suite]))
    decrypter = OWNERS[suite].decrypter
    code = outcome(partial(HALVES[suite].owner_shared, sent, decrypter))
    assert code in (None, *OURS)


@pytest.mark.parametrize("suite", KexSuite)
@STEADY
@given(data=st.data())
def test_no_bytes_from_an_owner_escape_an_exchange(
    suite: KexSuite, data: st.DataObject
) -> None:
    sent = data.draw(ANY | mutations(HALVES[suite].sent))
    key = OWNERS[suite].public_key
    code = outcome(partial(answer, suite, sent, key, DRAW))
    assert code in (None, *OURS)


@pytest.mark.parametrize("suite", KexSuite)
@STEADY
@given(data=st.data())
def test_no_bytes_escape_a_half(suite: KexSuite, data: st.DataObject) -> None:
    raw = data.draw(ANY | mutations(cbor.encode(HALVES[suite].to_item())))
    code = outcome(lambda: half_from_item(cbor.decode(raw)))
    assert code in (None, ErrorCode.MESSAGE_BODY_ERROR)


@pytest.mark.parametrize("cipher", sorted(EVERY))
@STEADY
@given(plain=st.binary(max_size=300), place=st.integers(0, 2**32 - 1))
def test_whatever_is_sealed_opens_as_it_was(
    cipher: CipherSuite, plain: bytes, place: int
) -> None:
    tunnel = Tunnel(cipher, bytes(cipher.key_size))
    assert tunnel.open(tunnel.seal(plain, secrets.token_bytes, place)) == plain


@pytest.mark.parametrize("cipher", sorted(EVERY))
@STEADY
@given(data=st.data())
def test_no_bytes_escape_the_tunnel(cipher: CipherSuite, data: st.DataObject) -> None:
    tunnel = Tunnel(cipher, bytes(cipher.key_size))
    sealed = tunnel.seal(b"plain", secrets.token_bytes, 0)
    code = outcome(partial(tunnel.open, data.draw(ANY | mutations(sealed))))
    assert code in (None, ErrorCode.MESSAGE_BODY_ERROR)
