"""Requests that an owner must refuse in TO2. Source: FDO 1.1, section 5.5."""

from collections.abc import Mapping

from cbor2 import CBORTag

from onboarding.wire.message import MsgType as M
from ownership_vouchers import cbor
from tests.support.alterations import (
    Alteration,
    change,
    flip,
    flipped,
    overwritten,
    put,
    resigned,
)
from tests.support.cases import Case, Wrong, by_device, by_stranger, just
from tests.support.request_cases import off_the_curve

W = Wrong
ZERO = bytes(16)
_60, _62, _64 = M.TO2_HELLO_DEVICE, M.TO2_GET_OV_NEXT_ENTRY, M.TO2_PROVE_DEVICE
_66, _68, _70 = (
    M.TO2_DEVICE_SERVICE_INFO_READY,
    M.TO2_DEVICE_SERVICE_INFO,
    M.TO2_DONE,
)

HELLO: Mapping[str, Case] = {
    "60 GUID of 15 bytes": Case(_60, W.ENCODING, just(put(bytes(15), 1)), 100),
    "60 GUID unknown": Case(_60, W.IDENTITY, just(put(ZERO, 1)), 6),
    "60 nonce of 15 bytes": Case(_60, W.NONCE, just(put(bytes(15), 2)), 100),
    "60 message size of 17 bits": Case(_60, W.SIZE, just(put(1 << 16, 0)), 100),
    "60 message size negative": Case(_60, W.SIZE, just(put(-1, 0)), 100),
    "60 key exchange of another curve": Case(
        _60, W.SUITE, just(put("ECDH384", 3)), 101
    ),
    "60 key exchange unknown": Case(_60, W.SUITE, just(put("ECDH999", 3)), 101),
    "60 key exchange in small letters": Case(
        _60, W.SUITE, just(put("ecdh256", 3)), 101
    ),
    "60 key exchange by RSA": Case(_60, W.SUITE, just(put("ASYMKEX2048", 3)), 101),
    "60 key exchange by RSA of 3072 bits": Case(
        _60, W.SUITE, just(put("ASYMKEX3072", 3)), 101
    ),
    "60 key exchange in a finite field": Case(
        _60, W.SUITE, just(put("DHKEXid14", 3)), 101
    ),
    "60 key exchange in a larger field": Case(
        _60, W.SUITE, just(put("DHKEXid15", 3)), 101
    ),
    "60 cipher with an HMAC": Case(_60, W.SUITE, just(put(-17760703, 4)), 101),
    "60 cipher of negative number": Case(_60, W.SUITE, just(put(-1, 4)), 101),
    "60 key exchange a number": Case(_60, W.ENCODING, just(put(1, 3)), 100),
    "60 cipher unknown": Case(_60, W.SUITE, just(put(4, 4)), 101),
    "60 cipher of FDO 1.0": Case(_60, W.SUITE, just(put(30, 4)), 101),
    "60 cipher a text": Case(_60, W.ENCODING, just(put("A128GCM", 4)), 100),
    "60 signature type of P-384": Case(_60, W.SUITE, just(put(-35, 5, 0)), 101),
    "60 signature type unknown": Case(_60, W.SUITE, just(put(4731, 5, 0)), 101),
    "60 signature type of EPID": Case(_60, W.SUITE, just(put(91, 5, 0)), 101),
    "60 signature info not empty": Case(_60, W.SUITE, just(put(b"x", 5, 1)), 101),
    "60 signature info null": Case(_60, W.ENCODING, just(put(None, 5, 1)), 100),
}

ENTRY: Mapping[str, Case] = {
    "62 index after the last": Case(_62, W.INDEX, just(put(2, 0)), 101),
    "62 index 255": Case(_62, W.INDEX, just(put(255, 0)), 101),
    "62 index 256": Case(_62, W.INDEX, just(put(256, 0)), 100),
    "62 index -1": Case(_62, W.INDEX, just(put(-1, 0)), 100),
    "62 index a boolean": Case(_62, W.ENCODING, just(put(True, 0)), 100),
    "62 index a float": Case(_62, W.ENCODING, just(put(0.0, 0)), 100),
}

PROOF: Mapping[str, Case] = {
    "64 under another tag": Case(_64, W.ENCODING, just(lambda d: b"\xd1" + d[1:]), 100),
    "64 claims not a map": Case(_64, W.ENCODING, by_device(lambda _d: b"\x80"), 100),
    "64 claims overwritten": Case(_64, W.ENCODING, by_device(overwritten()), 100),
    "64 key exchange null": Case(_64, W.ENCODING, by_device(put([None], -257)), 100),
    "64 signature overwritten": Case(
        _64, W.SIGNATURE, just(change(overwritten(), 3)), 101
    ),
    "64 UEID not random": Case(_64, W.ENCODING, by_device(put(b"\2" + ZERO, 256)), 100),
    "64 without key exchange": Case(_64, W.ENCODING, by_device(put([], -257)), 100),
    "64 with two key exchanges": Case(
        _64, W.ENCODING, by_device(put([b"", b""], -257)), 100
    ),
    "64 with a MAROE prefix": Case(
        _64, W.ENCODING, by_device(lambda d: d, m258=b"x"), 100
    ),
    "64 signature wrong": Case(_64, W.SIGNATURE, just(flipped(3)), 101),
    "64 signed by a stranger": Case(_64, W.SIGNATURE, by_stranger(), 101),
    "64 signed by the owner": Case(
        _64, W.SIGNATURE, lambda cast: resigned(cast.owner), 101
    ),
    "64 claims changed": Case(_64, W.SIGNATURE, just(change(put(ZERO, 10), 2)), 101),
    "64 claims ES384": Case(_64, W.SUITE, just(put(cbor.encode({1: -35}), 0)), 101),
    "64 nonce of nobody": Case(_64, W.NONCE, by_device(put(ZERO, 10)), 101),
    "64 nonce of 15 bytes": Case(_64, W.NONCE, by_device(put(bytes(15), 10)), 100),
    "64 without its nonce": Case(_64, W.NONCE, by_device(lambda d: d, m259=None), 100),
    "64 GUID of another": Case(_64, W.IDENTITY, by_device(put(b"\1" + ZERO, 256)), 101),
    "64 key exchange off its curve": Case(
        _64, W.SUITE, by_device(change(off_the_curve, -257, 0)), 101
    ),
    "64 key exchange cut": Case(
        _64, W.SUITE, by_device(change(lambda old: old[:-1], -257, 0)), 100
    ),
    "64 key exchange too long": Case(
        _64, W.SIZE, by_device(change(lambda old: old + b"\0", -257, 0)), 100
    ),
}

SECURE: Mapping[str, Case] = {
    "66 HMAC is a hash": Case(_66, W.HASH, just(put(-16, 0, 0)), 100),
    "66 HMAC of no bytes": Case(_66, W.HASH, just(put(b"", 0, 1)), 100),
    "66 size of 17 bits": Case(_66, W.SIZE, just(put(1 << 16, 1)), 100),
    "66 size a text": Case(_66, W.ENCODING, just(put("1300", 1)), 100),
    "68 more a number": Case(_68, W.ENCODING, just(put(0, 0)), 100),
    "68 key without a colon": Case(_68, W.ENCODING, just(put("devmod", 1, 0, 0)), 100),
    "68 value not bytes": Case(_68, W.ENCODING, just(put(True, 1, 0, 1)), 100),
    "68 value not CBOR": Case(_68, W.ENCODING, just(put(b"\xff", 1, 0, 1)), 100),
    "68 value cut and not continued": Case(
        _68, W.ENCODING, just(put(b"\x42\0", 1, 0, 1)), 100
    ),
    "68 devmod of the wrong type": Case(
        _68, W.ENCODING, just(put(["devmod:os", b"\1"], 1, 1)), 100
    ),
    "68 module before devmod is complete": Case(
        _68, W.ORDER, just(put([["fdo.download:done", b"\0"]], 1)), 101, ends=True
    ),
    "68 announces 257 modules": Case(
        _68,
        W.SIZE,
        just(put(["devmod:nummodules", cbor.encode(257)], 1, 9)),
        101,
        ends=True,
    ),
    "68 over the size we take": Case(
        _68,
        W.SIZE,
        just(put([["devmod:bin", cbor.encode("x" * 1300)]], 1)),
        101,
        ends=True,
    ),
    "70 nonce of nobody": Case(_70, W.NONCE, just(flipped(0)), 101, ends=True),
    "70 nonce of 15 bytes": Case(_70, W.NONCE, just(put(bytes(15), 0)), 100),
    "70 nonce a text": Case(_70, W.ENCODING, just(put("n", 0)), 100),
}


def sealed_again(data: bytes) -> bytes:
    """What is opened is a sealed message, not the one that belongs there."""
    return cbor.encode(CBORTag(16, [cbor.encode({1: 1}), {5: bytes(12)}, data]))


TWICE: Mapping[str, Case] = {
    f"{int(kind)} sealed twice": Case(kind, W.ENCODING, just(sealed_again), 100)
    for kind in (_66, _68, _70)
}
ENVELOPES: Mapping[str, Alteration] = {
    "ciphertext overwritten": change(overwritten(), 2),
    "ciphertext changed": flip,
    "said to be of another cipher": put(cbor.encode({1: 3}), 0),
    "IV of 11 bytes": put(bytes(11), 1, 5),
    "another IV": put(bytes(12), 1, 5),
    "no IV": put({}, 1),
    "not sealed": lambda _data: cbor.encode([bytes(16)]),
    "under the tag of a MAC": lambda data: b"\xd1" + data[1:],
}
SEALED: Mapping[str, Case] = {
    f"{int(kind)} {name}": Case(kind, W.SUITE, just(alter), 100, envelope=True)
    for kind in (_66, _68, _70)
    for name, alter in ENVELOPES.items()
}

TO2: Mapping[str, Case] = {**HELLO, **ENTRY, **PROOF, **SECURE, **TWICE, **SEALED}
