"""From any bytes a decoder gives a message or one of our own errors.

And what a message says survives the wire, whatever it says.
"""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.wire import to0, to1, to2, to2_secure
from onboarding.wire.chunks import pack, reassemble
from onboarding.wire.common import Eat, SigInfo
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import ErrorCode, MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, OwnerServiceInfo
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.any_bytes import ANY, ITEMS, STEADY, mutations, outcome
from tests.support.message_vectors import DECODERS, good


@pytest.mark.parametrize("kind", DECODERS, ids=lambda one: str(int(one)))
@STEADY
@given(data=st.data())
def test_no_bytes_escape_a_decoder(kind: MsgType, data: st.DataObject) -> None:
    body = data.draw(ANY | mutations(good(kind)[0]))
    code = outcome(partial(DECODERS[kind], body))
    assert code in (None, ErrorCode.MESSAGE_BODY_ERROR, ErrorCode.INVALID_MESSAGE_ERROR)


NONCES = st.binary(min_size=16, max_size=16)
GUIDS = NONCES.map(Guid)
HASHES = st.sampled_from(sorted(HashType)).flatmap(
    lambda kind: st.binary(min_size=kind.size, max_size=kind.size).map(
        partial(Hash, HashType(kind))
    )
)
HMACS = HASHES.filter(lambda one: one.type.is_mac)
U16, TEXT = st.integers(0, 65535), st.text(max_size=30)
KEYS = st.builds(
    lambda m, k: f"{m}:{k}", *(st.from_regex(r"[a-z.]{1,9}", fullmatch=True),) * 2
)
KVS = st.lists(st.tuples(KEYS, ITEMS.map(cbor.encode)), max_size=9).map(tuple)
SIG_INFOS = st.builds(SigInfo, st.integers(-300, 100), st.binary(max_size=9))
MESSAGES: dict[str, st.SearchStrategy[object]] = {
    "HelloAck": st.builds(to0.HelloAck, NONCES),
    "AcceptOwner": st.builds(to0.AcceptOwner, st.integers(0, 2**32 - 1)),
    "To0d": st.builds(
        to0.To0d, ITEMS.map(cbor.encode), st.integers(0, 2**32 - 1), NONCES
    ),
    "HelloRv": st.builds(to1.HelloRv, GUIDS, SIG_INFOS),
    "HelloRvAck": st.builds(to1.HelloRvAck, NONCES, SIG_INFOS),
    "HelloDevice": st.builds(
        to2.HelloDevice, U16, GUIDS, NONCES, TEXT, st.integers(-(2**40), 99), SIG_INFOS
    ),
    "ProveOvHdrPayload": st.builds(
        to2.ProveOvHdrPayload,
        st.binary(max_size=50),
        st.integers(0, 255),
        HMACS.map(lambda one: cbor.encode(one.to_item())),
        NONCES,
        SIG_INFOS,
        st.binary(max_size=50),
        HASHES,
        U16,
    ),
    "GetOvNextEntry": st.builds(to2.GetOvNextEntry, st.integers(0, 255)),
    "OvNextEntry": st.builds(
        to2.OvNextEntry, st.integers(0, 255), ITEMS.map(cbor.encode)
    ),
    "DeviceServiceInfoReady": st.builds(
        to2_secure.DeviceServiceInfoReady, st.none() | HMACS, st.none() | U16
    ),
    "OwnerServiceInfoReady": st.builds(
        to2_secure.OwnerServiceInfoReady, st.none() | U16
    ),
    "DeviceServiceInfo": st.builds(DeviceServiceInfo, st.booleans(), KVS),
    "OwnerServiceInfo": st.builds(OwnerServiceInfo, st.booleans(), st.booleans(), KVS),
    "Done": st.builds(to2_secure.Done, NONCES),
    "Done2": st.builds(to2_secure.Done2, NONCES),
    "ErrorMessage": st.builds(
        ErrorMessage,
        U16,
        st.integers(0, 255),
        TEXT,
        st.none() | st.integers(0, 2**63),
        st.none() | st.integers(0, 2**63),
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
@STEADY
@given(data=st.data())
def test_a_message_survives_the_wire(name: str, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[name])
    body = message.encode()  # type: ignore[attr-defined]
    again = type(message).from_cbor(body)  # type: ignore[attr-defined]
    assert again == message
    assert again.encode() == body


@STEADY
@given(nonce=NONCES, guid=GUIDS, kex=st.none() | st.binary(max_size=60))
def test_a_token_survives_the_wire(nonce: bytes, guid: Guid, kex: bytes | None) -> None:
    eat = Eat(nonce, guid, kex)
    assert Eat.from_payload(eat.payload()) == eat


@STEADY
@given(
    kvs=st.lists(st.tuples(KEYS, ITEMS.map(cbor.encode)), max_size=12),
    limit=st.integers(256, 1400),
)
def test_service_info_survives_cutting_and_joining(
    kvs: list[tuple[str, bytes]], limit: int
) -> None:
    rest, partial_, got = tuple(kvs), None, []
    while True:
        sent, rest = pack(rest, limit)
        body = OwnerServiceInfo(bool(rest), False, sent).encode()
        assert len(body) <= limit
        items, partial_ = reassemble(
            partial_, OwnerServiceInfo.from_cbor(body).kvs, more=bool(rest)
        )
        got += items
        if not rest:
            break
    assert got == kvs
