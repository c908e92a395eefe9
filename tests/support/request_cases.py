"""Requests that a server must refuse: DI, TO0, TO1 and TO2.

Source: FDO.md in our reference and FDO 1.1, section 5; the codes are those that the
conformance tools of the FIDO Alliance expect.
"""

from collections.abc import Callable, Mapping

from onboarding.wire.message import MsgType as M
from ownership_vouchers import cbor
from ownership_vouchers.types import Hash, HashType
from tests.support.alterations import (
    Alteration,
    change,
    flip,
    flipped,
    overwritten,
    put,
    resigned,
)
from tests.support.cases import (
    Case,
    Cast,
    Change,
    Wrong,
    by_device,
    by_stranger,
    just,
)

W = Wrong
ZERO = bytes(16)


def off_the_curve(parameter: bytes) -> bytes:
    """Move the point of an ECDH parameter off its curve, by a bit of y."""
    at = 2 + 2 * int.from_bytes(parameter[:2], "big")
    return parameter[:at] + bytes([parameter[at] ^ 1]) + parameter[at + 1 :]


def in_item(index: int, alteration: Alteration) -> Alteration:
    """Change one item of an array in its own bytes; the others stay as they are."""

    def altered(data: bytes) -> bytes:
        items = list(cbor.split(data))
        items[index] = alteration(items[index])
        return cbor.join(items)

    return altered


def in_to1d(alteration: Alteration) -> Change:
    """Change the payload of to1d and have the owner sign it."""
    return lambda cast: in_item(1, resigned(cast.owner, alteration))


def in_to0d(make: Callable[[Cast], Alteration]) -> Change:
    """Change to0d; the owner signs a to1d whose hash fits the change."""

    def made(cast: Cast) -> Alteration:
        def altered(data: bytes) -> bytes:
            to0d, to1d = cbor.split(data)
            changed = make(cast)(cbor.bstr(cbor.decode(to0d)))
            fits = change(lambda old: _hash_like(old, changed), 1)
            return cbor.join((cbor.encode(changed), resigned(cast.owner, fits)(to1d)))

        return altered

    return made


def _hash_like(old: list[int], data: bytes) -> object:
    """Hash by the same algorithm."""
    return Hash.of(HashType(old[0]), data).to_item()


def _voucher(alteration: Alteration) -> Change:
    return in_to0d(lambda _cast: in_item(0, alteration))


def _in_header(alteration: Alteration) -> Alteration:
    """Change the header of a voucher."""
    return in_item(1, lambda raw: cbor.encode(alteration(cbor.bstr(cbor.decode(raw)))))


def _mfg_info(position: int, value: object) -> Change:
    return just(change(put(value, position), 0))


def other_kind(kind: int) -> int:
    """Call a SHA-256 value one of SHA-384, and the other way round."""
    mine = HashType(kind)
    return int({HashType.SHA256: HashType.SHA384}.get(mine, HashType.SHA256))


def keyed(kind: int) -> int:
    """Call a hash of that type an HMAC."""
    return int(HashType(kind).keyed)


DI: Mapping[str, Case] = {
    "serial as bytes": Case(M.DI_APP_START, W.ENCODING, _mfg_info(2, b"\x01"), 100),
    "serial over 128 characters": Case(
        M.DI_APP_START, W.SIZE, _mfg_info(2, "x" * 129), 100
    ),
    "serial with a line end": Case(
        M.DI_APP_START, W.IDENTITY, _mfg_info(2, "S\n"), 101
    ),
    "request not DER": Case(M.DI_APP_START, W.ENCODING, _mfg_info(4, b"\x30\x01"), 100),
    "request of 4097 bytes": Case(
        M.DI_APP_START, W.SIZE, _mfg_info(4, b"\x30" + bytes(4096)), 100
    ),
    "request left out": Case(M.DI_APP_START, W.SIGNATURE, _mfg_info(4, b""), 101),
    "request signature wrong": Case(
        M.DI_APP_START, W.SIGNATURE, just(change(change(flip, 4), 0)), 101
    ),
    "key type we lack": Case(M.DI_APP_START, W.SUITE, _mfg_info(0, 6), 101),
    "key type unknown": Case(M.DI_APP_START, W.SUITE, _mfg_info(0, 2), 101),
    "key encoding EPID": Case(M.DI_APP_START, W.SUITE, _mfg_info(1, 0), 101),
    "HMAC of an unknown type": Case(M.DI_SET_HMAC, W.ENCODING, just(put(7, 0, 0)), 100),
    "HMAC without a type": Case(
        M.DI_SET_HMAC, W.ENCODING, just(put([bytes(32)], 0)), 100
    ),
    "HMAC is a hash": Case(M.DI_SET_HMAC, W.HASH, just(put(-16, 0, 0)), 100),
    "HMAC of 31 bytes": Case(M.DI_SET_HMAC, W.HASH, just(put(bytes(31), 0, 1)), 100),
}

_22 = M.TO0_OWNER_SIGN
_ADDRESS = [None, "o.example.test", 80, 3]
TO0: Mapping[str, Case] = {
    "to0d not CBOR": Case(_22, W.ENCODING, in_to0d(lambda _c: lambda _d: b"\xff"), 100),
    "to0d overwritten": Case(_22, W.ENCODING, in_to0d(lambda _c: overwritten()), 100),
    "to0d of two items": Case(
        _22, W.ENCODING, in_to0d(lambda _c: lambda d: cbor.join(cbor.split(d)[:2])), 100
    ),
    "to1d without a tag": Case(_22, W.ENCODING, just(in_item(1, lambda d: d[1:])), 100),
    "to1d with an open header": Case(_22, W.ENCODING, just(put({1: 2}, 1, 1)), 100),
    "wait of 33 bits": Case(
        _22,
        W.SIZE,
        in_to0d(lambda _c: in_item(1, lambda _d: b"\x1b" + bytes(3) + b"\1" * 5)),
        100,
    ),
    "nonce of nobody": Case(
        _22, W.NONCE, in_to0d(lambda _c: in_item(2, lambda _d: cbor.encode(ZERO))), 101
    ),
    "nonce of 15 bytes": Case(
        _22,
        W.NONCE,
        in_to0d(lambda _c: in_item(2, lambda _d: cbor.encode(bytes(15)))),
        100,
    ),
    "to0d changed": Case(_22, W.HASH, just(change(put(1, 1), 0)), 101),
    "to1d hash changed": Case(_22, W.HASH, in_to1d(flipped(1, 1)), 101),
    "to1d hash is an HMAC": Case(_22, W.HASH, in_to1d(change(keyed, 1, 0)), 101),
    "to1d hash said to be of another kind": Case(
        _22, W.HASH, in_to1d(change(other_kind, 1, 0)), 100
    ),
    "to1d hash overwritten": Case(
        _22, W.HASH, in_to1d(change(overwritten(), 1, 1)), 101
    ),
    "to1d signature overwritten": Case(
        _22, W.SIGNATURE, just(change(overwritten(), 1, 3)), 3
    ),
    "to1d signature wrong": Case(_22, W.SIGNATURE, just(flipped(1, 3)), 3),
    "to1d of a stranger": Case(
        _22, W.SIGNATURE, lambda cast: in_item(1, by_stranger()(cast)), 3
    ),
    "to1d claims ES384": Case(_22, W.SUITE, just(put(cbor.encode({1: -35}), 1, 0)), 3),
    "no address": Case(_22, W.ADDRESS, in_to1d(put([], 0)), 101),
    "IP address of 5 bytes": Case(_22, W.ADDRESS, in_to1d(put(bytes(5), 0, 0, 0)), 4),
    "IP address as text": Case(_22, W.ADDRESS, in_to1d(put("192.0.2.7", 0, 0, 0)), 4),
    "neither IP nor name": Case(
        _22, W.ADDRESS, in_to1d(put([None, None, 80, 3], 0, 0)), 101
    ),
    "port 0": Case(_22, W.ADDRESS, in_to1d(put(0, 0, 0, 2)), 101),
    "port of 17 bits": Case(_22, W.ADDRESS, in_to1d(put(65536, 0, 0, 2)), 101),
    "unknown transport": Case(_22, W.ADDRESS, in_to1d(put(7, 0, 0, 3)), 101),
    "33 addresses": Case(_22, W.SIZE, in_to1d(put([_ADDRESS] * 33, 0)), 101),
    "voucher of another device": Case(
        _22,
        W.IDENTITY,
        in_to0d(lambda cast: in_item(0, lambda _d: cast.other.raw)),
        3,
    ),
    "voucher is no voucher": Case(_22, W.VOUCHER, _voucher(lambda _d: b"\x80"), 2),
    "voucher with a GUID of 15 bytes": Case(
        _22, W.IDENTITY, _voucher(_in_header(put(bytes(15), 1))), 5
    ),
    "voucher with a GUID as text": Case(
        _22, W.IDENTITY, _voucher(_in_header(put("x" * 16, 1))), 5
    ),
    "voucher without entries": Case(
        _22, W.VOUCHER, _voucher(in_item(4, lambda _d: b"\x80")), 2
    ),
    "voucher without its last entry": Case(
        _22,
        W.VOUCHER,
        _voucher(in_item(4, lambda d: cbor.join(cbor.split(d)[:-1]))),
        3,
    ),
    "voucher with a wrong signature": Case(
        _22, W.VOUCHER, _voucher(in_item(4, in_item(0, flip))), 2
    ),
}

_30, _32 = M.TO1_HELLO_RV, M.TO1_PROVE_TO_RV
_NOBODY = b"\1" + ZERO
TO1: Mapping[str, Case] = {
    "30 GUID of 15 bytes": Case(_30, W.ENCODING, just(put(bytes(15), 0)), 100),
    "30 GUID unknown": Case(_30, W.IDENTITY, just(put(ZERO, 0)), 6),
    "30 signature info null": Case(_30, W.ENCODING, just(put(None, 1, 1)), 100),
    "30 signature type of P-384": Case(_30, W.SUITE, just(put(-35, 1, 0)), 101),
    "30 signature type unknown": Case(_30, W.SUITE, just(put(4731, 1, 0)), 101),
    "30 signature type of EPID": Case(_30, W.SUITE, just(put(90, 1, 0)), 101),
    "30 signature info not empty": Case(_30, W.SUITE, just(put(b"x", 1, 1)), 101),
    "32 without a tag": Case(_32, W.ENCODING, just(lambda d: b"\xd1" + d[1:]), 100),
    "32 claims not a map": Case(_32, W.ENCODING, by_device(lambda _d: b"\x80"), 100),
    "32 claims overwritten": Case(_32, W.ENCODING, by_device(overwritten()), 100),
    "32 signature overwritten": Case(
        _32, W.SIGNATURE, just(change(overwritten(), 3)), 101
    ),
    "32 without a GUID": Case(
        _32, W.ENCODING, by_device(lambda _d: cbor.encode({10: ZERO})), 100
    ),
    "32 UEID not random": Case(_32, W.ENCODING, by_device(put(b"\2" + ZERO, 256)), 100),
    "32 two UEIDs": Case(
        _32,
        W.ENCODING,
        by_device(lambda _d: cbor.encode({10: ZERO, 11: _NOBODY, 256: _NOBODY})),
        100,
    ),
    "32 earlier UEID of another": Case(
        _32, W.IDENTITY, by_device(lambda _d: cbor.encode({10: ZERO, 11: _NOBODY})), 101
    ),
    "32 with an open header": Case(_32, W.ENCODING, by_device(lambda d: d, h7=0), 100),
    "32 signature wrong": Case(_32, W.SIGNATURE, just(flipped(3)), 101),
    "32 signed by a stranger": Case(_32, W.SIGNATURE, by_stranger(), 101),
    "32 claims changed": Case(_32, W.SIGNATURE, just(change(put(ZERO, 10), 2)), 101),
    "32 claims ES384": Case(_32, W.SUITE, just(put(cbor.encode({1: -35}), 0)), 101),
    "32 says no algorithm": Case(_32, W.ENCODING, just(put(b"", 0)), 100),
    "32 nonce of nobody": Case(_32, W.NONCE, by_device(put(ZERO, 10)), 101),
    "32 nonce of 15 bytes": Case(_32, W.NONCE, by_device(put(bytes(15), 10)), 100),
    "32 GUID of another": Case(_32, W.IDENTITY, by_device(put(b"\1" + ZERO, 256)), 101),
}
