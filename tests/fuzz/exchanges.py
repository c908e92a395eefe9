"""Targets of the key exchanges and of what they seal with."""

import hmac
import secrets
from collections.abc import Sequence
from functools import cache

from onboarding.protocol.kex import Draw, OwnerHalf, answer, half_from_item, new_half
from onboarding.wire.message import KexSuite, MsgType
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.mac0 import Mac0, MacSuite
from tests.fuzz.target import Target, reads
from tests.support.supply_chain import new_key
from tests.support.transcripts import CBC128, CTR256, Transcript

SUITES = tuple(KexSuite)
_KINDS = ("P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-2048", "RSA-3072")
_DRAW = Draw(secrets.token_bytes)
_SUITES = tuple(MacSuite)


@cache
def _owner(suite: KexSuite) -> tuple[OwnerHalf, SoftSigner]:
    key = SoftSigner(new_key(_KINDS[SUITES.index(suite)]))
    return new_half(suite, _DRAW), key


def _chosen(data: bytes) -> tuple[KexSuite, bytes]:
    """The first byte says which suite the others are for."""
    return SUITES[data[0] % len(SUITES)] if data else SUITES[0], data[1:]


def _to_owner(data: bytes) -> None:
    suite, sent = _chosen(data)
    half, key = _owner(suite)
    half.owner_shared(sent, key.decrypter)


def _to_device(data: bytes) -> None:
    suite, sent = _chosen(data)
    answer(suite, sent, _owner(suite)[1].public_key, _DRAW)


def _state(data: bytes) -> None:
    half = half_from_item(cbor.decode(data))
    assert half_from_item(half.to_item()) == half


def _sent() -> Sequence[bytes]:
    return [bytes([at]) + _owner(one)[0].sent for at, one in enumerate(SUITES)]


def _answers() -> Sequence[bytes]:
    found = []
    for at, suite in enumerate(SUITES):
        half, key = _owner(suite)
        found.append(bytes([at]) + answer(suite, half.sent, key.public_key, _DRAW)[0])
    return found


def _halves() -> Sequence[bytes]:
    return [cbor.encode(_owner(one)[0].to_item()) for one in SUITES]


def _mac0(data: bytes) -> None:
    sealed = Mac0.from_cbor(data)
    assert Mac0.from_cbor(sealed.encode()) == sealed
    suite = MacSuite.COSEAES128CBC
    sealed.open(suite, bytes(suite.key_size))


def _authentic(data: bytes) -> None:
    """What our peer itself authenticates, and is still not to be believed."""
    suite = _SUITES[data[0] % len(_SUITES)] if data else _SUITES[0]
    payload, key = data[1:], bytes(suite.key_size)
    covered = cbor.encode(["MAC0", suite.protected, b"", payload])
    svk = key[suite.encryption_key_size :]
    tag = hmac.digest(svk, covered, suite.mac_type.digest_name)
    Mac0(suite.protected, payload, tag).open(suite, key)


def _recorded() -> list[bytes]:
    records = [Transcript(name) for name in (CBC128, CTR256)]
    return [
        one.one(kind).wire for one in records for kind in MsgType if 65 <= kind < 72
    ]


def _payloads() -> list[bytes]:
    payloads = [Mac0.from_cbor(one).payload for one in _recorded()]
    return [bytes([at % 4]) + one for at, one in enumerate(payloads)]


TARGETS = (
    Target("kex-owner", reads(_to_owner), _answers),
    Target("kex-device", reads(_to_device), _sent),
    Target("kex-state", reads(_state), _halves),
    Target("cose-mac0", reads(_mac0), _recorded),
    Target("cose-mac0-authentic", reads(_authentic), _payloads),
)
