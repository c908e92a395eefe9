"""Answers that a device, or an owner at a rendezvous server, must refuse.

Source: FDO 1.1, sections 5.2 to 5.5; FDO.md 5.3 in our reference.
"""

from collections.abc import Mapping

from onboarding.wire.message import MsgType as M
from ownership_vouchers import cbor
from ownership_vouchers.keys import PublicKey
from tests.support.alterations import (
    Alteration,
    change,
    flipped,
    overwritten,
    put,
    resigned,
)
from tests.support.cases import Case, Cast, Change, Wrong, by_owner, just
from tests.support.request_cases import in_item, keyed, off_the_curve, other_kind
from tests.support.to2_request_cases import ENVELOPES, sealed_again

W = Wrong
ZERO = bytes(16)


def _by_stranger_with_his_key(cast: Cast) -> Alteration:
    key = PublicKey.of(cast.stranger.public_key).to_item()
    return resigned(cast.stranger, h257=key)


def _owned(*path: int, value: object = None) -> Change:
    """Change what the owner's payload has at ``path``; a bit of it if not given."""
    return by_owner(flipped(*path) if value is None else put(value, *path))


DI: Mapping[str, Case] = {
    "11 header not CBOR": Case(
        M.DI_SET_CREDENTIALS, W.ENCODING, just(put(b"\xff", 0)), 100
    ),
    "11 header of five items": Case(
        M.DI_SET_CREDENTIALS,
        W.ENCODING,
        just(change(lambda d: b"\x85" + d[1:], 0)),
        100,
    ),
    "11 header of version 100": Case(
        M.DI_SET_CREDENTIALS, W.VOUCHER, just(change(put(100, 0), 0)), 101
    ),
    "11 header with a GUID of 15 bytes": Case(
        M.DI_SET_CREDENTIALS, W.VOUCHER, just(change(put(bytes(15), 1), 0)), 100
    ),
    "11 header with an unknown kind of key": Case(
        M.DI_SET_CREDENTIALS, W.SUITE, just(change(put(2, 4, 0), 0)), 101
    ),
}

TO0: Mapping[str, Case] = {
    "21 nonce of 15 bytes": Case(
        M.TO0_HELLO_ACK, W.NONCE, just(put(bytes(15), 0)), 100
    ),
    "23 wait of 33 bits": Case(M.TO0_ACCEPT_OWNER, W.SIZE, just(put(1 << 32, 0)), 100),
    "23 wait negative": Case(M.TO0_ACCEPT_OWNER, W.SIZE, just(put(-1, 0)), 100),
    "23 wait a float": Case(M.TO0_ACCEPT_OWNER, W.ENCODING, just(put(60.0, 0)), 100),
}

_31, _33 = M.TO1_HELLO_RV_ACK, M.TO1_RV_REDIRECT
TO1: Mapping[str, Case] = {
    "31 nonce of 15 bytes": Case(_31, W.NONCE, just(put(bytes(15), 0)), 100),
    "31 signature type of P-384": Case(_31, W.SUITE, just(put(-35, 1, 0)), 101),
    "31 signature type a text": Case(_31, W.ENCODING, just(put("ES256", 1, 0)), 100),
    "33 not signed at all": Case(_33, W.SIGNATURE, just(lambda _d: b"\x80"), 100),
    "33 without a tag": Case(_33, W.ENCODING, just(lambda d: d[1:]), 100),
    "33 with an open header": Case(_33, W.ENCODING, just(put({1: 2}, 1)), 100),
}

_61, _63 = M.TO2_PROVE_OV_HDR, M.TO2_OV_NEXT_ENTRY
PROOF: Mapping[str, Case] = {
    "61 under another tag": Case(_61, W.ENCODING, just(lambda d: b"\xd1" + d[1:]), 100),
    "61 payload of seven items": Case(
        _61, W.ENCODING, by_owner(lambda d: cbor.join(cbor.split(d)[:7])), 100
    ),
    "61 without its key": Case(_61, W.ENCODING, by_owner(lambda d: d, h257=None), 100),
    "61 payload overwritten": Case(_61, W.ENCODING, by_owner(overwritten()), 100),
    "61 signature overwritten": Case(
        _61, W.SIGNATURE, just(change(overwritten(), 3)), 101
    ),
    "61 header overwritten": Case(
        _61, W.VOUCHER, by_owner(change(overwritten(), 0)), 101
    ),
    "61 protected header overwritten": Case(
        _61, W.ENCODING, just(change(overwritten(), 0)), 100
    ),
    "61 hash of the hello said to be of another kind": Case(
        _61, W.HASH, by_owner(change(other_kind, 6, 0)), 100
    ),
    "61 signature wrong": Case(_61, W.SIGNATURE, just(flipped(3)), 101),
    "61 signed by a stranger": Case(
        _61, W.SIGNATURE, lambda cast: resigned(cast.stranger), 101
    ),
    "61 of a stranger with his own key": Case(
        _61, W.IDENTITY, _by_stranger_with_his_key, 101
    ),
    "61 claims ES384": Case(_61, W.SUITE, just(put(cbor.encode({1: -35}), 0)), 101),
    "61 nonce of nobody": Case(_61, W.NONCE, _owned(3, value=ZERO), 101),
    "61 nonce of 15 bytes": Case(_61, W.NONCE, _owned(3, value=bytes(15)), 100),
    "61 without a nonce for 64": Case(
        _61, W.NONCE, by_owner(lambda d: d, h256=None), 100
    ),
    "61 hash of another hello": Case(_61, W.HASH, _owned(6, 1), 101),
    "61 hash of the hello keyed": Case(_61, W.HASH, by_owner(change(keyed, 6, 0)), 101),
    "61 HMAC changed": Case(_61, W.HASH, _owned(2, 1), 101),
    "61 HMAC is a hash": Case(_61, W.HASH, _owned(2, 0, value=-16), 100),
    "61 header changed": Case(_61, W.VOUCHER, _owned(0), 101),
    "61 header of another device": Case(
        _61,
        W.IDENTITY,
        lambda cast: resigned(cast.owner, put(cast.other.header.raw, 0)),
        101,
    ),
    "61 no entries": Case(_61, W.INDEX, _owned(1, value=0), 101),
    "61 256 entries": Case(_61, W.INDEX, _owned(1, value=256), 100),
    "61 one entry fewer": Case(_61, W.INDEX, _owned(1, value=1), 101),
    "61 signature type of P-384": Case(_61, W.SUITE, _owned(4, 0, value=-35), 101),
    "61 key exchange off its curve": Case(
        _61, W.SUITE, by_owner(change(off_the_curve, 5)), 101
    ),
    "61 key exchange cut": Case(_61, W.SUITE, _owned(5, value=b"\0\x20"), 100),
    "61 message size of 17 bits": Case(_61, W.SIZE, _owned(7, value=1 << 16), 100),
}

ENTRY: Mapping[str, Case] = {
    "63 under another number": Case(_63, W.INDEX, just(put(9, 0)), 101),
    "63 number of 9 bits": Case(_63, W.INDEX, just(put(256, 0)), 100),
    "63 entry without a tag": Case(
        _63, W.ENCODING, just(in_item(1, lambda d: d[1:])), 100
    ),
    "63 under the number after it": Case(
        _63, W.INDEX, just(change(lambda number: number + 1, 0)), 101
    ),
    "63 payload overwritten": Case(
        _63, W.ENCODING, just(change(overwritten(), 1, 2)), 100
    ),
    "63 protected header overwritten": Case(
        _63, W.SUITE, just(change(overwritten(), 1, 0)), 101
    ),
    "63 signature overwritten": Case(
        _63, W.SIGNATURE, just(change(overwritten(), 1, 3)), 101
    ),
    "63 signature wrong": Case(_63, W.SIGNATURE, just(flipped(1, 3)), 101),
    "63 signed by the last owner": Case(
        _63, W.SIGNATURE, lambda cast: in_item(1, resigned(cast.owner)), 101
    ),
    "63 entry of another voucher": Case(
        _63,
        W.VOUCHER,
        lambda cast: in_item(1, lambda _d: cast.other.entries[0].raw),
        101,
    ),
    "63 hash of the entry before": Case(
        _63,
        W.HASH,
        lambda cast: in_item(1, resigned(cast.manufacturer, flipped(0, 1))),
        101,
    ),
    "63 hash of the header": Case(
        _63,
        W.HASH,
        lambda cast: in_item(1, resigned(cast.manufacturer, flipped(1, 1))),
        101,
    ),
}


def _nothing_new(cast: Cast) -> Alteration:
    """Offer the credential that the device has already: reuse, if it allows that."""
    header = cast.voucher.header
    guid, key = cbor.encode(header.guid.raw), cast.voucher.owner_key.raw
    same = (header.rv_info.raw, guid)
    return resigned(cast.owner, lambda d: cbor.join((*same, cbor.split(d)[2], key)))


_65, _67, _69, _71 = (
    M.TO2_SETUP_DEVICE,
    M.TO2_OWNER_SERVICE_INFO_READY,
    M.TO2_OWNER_SERVICE_INFO,
    M.TO2_DONE2,
)
SECURE: Mapping[str, Case] = {
    "65 with an open header": Case(_65, W.ENCODING, by_owner(lambda d: d, h7=0), 100),
    "65 payload overwritten": Case(_65, W.ENCODING, by_owner(overwritten()), 100),
    "65 signature overwritten": Case(
        _65, W.SIGNATURE, just(change(overwritten(), 3)), 101
    ),
    "65 signature wrong": Case(_65, W.SIGNATURE, just(flipped(3)), 101),
    "65 signed by a stranger": Case(
        _65, W.SIGNATURE, lambda cast: resigned(cast.stranger), 101
    ),
    "65 nonce of nobody": Case(_65, W.NONCE, _owned(2), 101),
    "65 GUID of 15 bytes": Case(_65, W.ENCODING, _owned(1, value=bytes(15)), 100),
    "65 RendezvousInfo a text": Case(_65, W.ENCODING, _owned(0, value="rv"), 100),
    "65 unknown kind of key": Case(_65, W.SUITE, _owned(3, 0, value=2), 101),
    "65 leaves all as it was": Case(_65, W.IDENTITY, _nothing_new, 102),
    "67 size of 17 bits": Case(_67, W.SIZE, just(put(1 << 16, 0)), 100),
    "67 size a boolean": Case(_67, W.ENCODING, just(put(True, 0)), 100),
    "69 done and more": Case(_69, W.ORDER, just(put([True, True, []])), 101),
    "69 value not CBOR": Case(_69, W.ENCODING, just(put([["a:b", b"\xff"]], 2)), 100),
    "69 over the size we take": Case(
        _69, W.SIZE, just(put([["m:k", cbor.encode(bytes(1400))]], 2)), 101
    ),
    "71 nonce of nobody": Case(_71, W.NONCE, just(flipped(0)), 101),
    "71 nonce of 15 bytes": Case(_71, W.NONCE, just(put(bytes(15), 0)), 100),
}
TWICE: Mapping[str, Case] = {
    f"{int(kind)} sealed twice": Case(kind, W.ENCODING, just(sealed_again), 100)
    for kind in (_65, _67, _69, _71)
}
SEALED: Mapping[str, Case] = {
    f"{int(kind)} {name}": Case(kind, W.SUITE, just(alter), 100, envelope=True)
    for kind in (_65, _67, _69, _71)
    for name, alter in ENVELOPES.items()
}

TO2: Mapping[str, Case] = {**PROOF, **ENTRY, **SECURE, **TWICE, **SEALED}
