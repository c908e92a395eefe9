"""TO2 with one thing wrong: who refuses it, and with which code.

Each case changes one message of a run that passes unaltered.
"""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.keys import PublicKey
from tests.support.alterations import (
    NO_CBOR,
    Alteration,
    change,
    flip,
    flipped,
    put,
    resigned,
)
from tests.support.fdo_roles import Roles
from tests.support.refusals import code_of
from tests.support.supply_chain import SupplyChain

M = MsgType
CHAIN = SupplyChain().make_device().sell_to("dealer").sell_to("owner")
ROLES = Roles(CHAIN)
OWNER, DEVICE = CHAIN.owner.signer, CHAIN.device_signer
STRANGER = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
STRANGE_KEY = PublicKey.of(STRANGER.public_key)
OTHER = SupplyChain().make_device().sell_to("owner")
WRONG = bytes(16)


def from_owner(*path: int, value: object = None) -> Alteration:
    """Change the payload of 61 or 65 and have the owner sign it."""
    alter = flipped(*path) if value is None else put(value, *path)
    return resigned(OWNER, alter)


def from_device(label: int, value: object) -> Alteration:
    return resigned(DEVICE, put(value, label))


def negated(parameter: bytes) -> bytes:
    """Move the point of an ECDH parameter off its curve."""
    return parameter[:-20] + bytes([parameter[-20] ^ 1]) + parameter[-19:]


CASES: dict[str, tuple[MsgType, Alteration, int]] = {
    # 60
    "unknown GUID": (M.TO2_HELLO_DEVICE, put(WRONG, 1), 6),
    "GUID of 15 bytes": (M.TO2_HELLO_DEVICE, put(bytes(15), 1), 100),
    "nonce of 15 bytes": (M.TO2_HELLO_DEVICE, put(bytes(15), 2), 100),
    "message size of 17 bits": (M.TO2_HELLO_DEVICE, put(1 << 16, 0), 100),
    "key exchange for another curve": (M.TO2_HELLO_DEVICE, put("ECDH384", 3), 101),
    "key exchange by RSA": (M.TO2_HELLO_DEVICE, put("ASYMKEX2048", 3), 101),
    "key exchange in small letters": (M.TO2_HELLO_DEVICE, put("ecdh256", 3), 101),
    "key exchange not a text": (M.TO2_HELLO_DEVICE, put(1, 3), 100),
    "unknown cipher suite": (M.TO2_HELLO_DEVICE, put(2, 4), 101),
    "cipher suite CTR": (M.TO2_HELLO_DEVICE, put(-17760704, 4), 101),
    "signature type of P-384": (M.TO2_HELLO_DEVICE, put(-35, 5, 0), 101),
    "signature type EPID": (M.TO2_HELLO_DEVICE, put(90, 5, 0), 101),
    "signature info not empty": (M.TO2_HELLO_DEVICE, put(b"x", 5, 1), 101),
    "signature info null": (M.TO2_HELLO_DEVICE, put(None, 5, 1), 100),
    "nonce changed on its way": (M.TO2_HELLO_DEVICE, put(WRONG, 2), 101),
    "message size changed on its way": (M.TO2_HELLO_DEVICE, put(1300, 0), 101),
    "cipher changed on its way": (M.TO2_HELLO_DEVICE, put(3, 4), 101),
    # 61
    "61 signature wrong": (M.TO2_PROVE_OV_HDR, flipped(3), 101),
    "61 signed by another key": (M.TO2_PROVE_OV_HDR, resigned(STRANGER), 101),
    "61 of a stranger with his key": (
        M.TO2_PROVE_OV_HDR,
        resigned(STRANGER, h257=STRANGE_KEY.to_item()),
        101,
    ),
    "61 without nonce": (M.TO2_PROVE_OV_HDR, resigned(OWNER, h256=None), 100),
    "61 without key": (M.TO2_PROVE_OV_HDR, resigned(OWNER, h257=None), 100),
    "61 header of another device": (
        M.TO2_PROVE_OV_HDR,
        from_owner(0, value=OTHER.voucher.header.raw),
        101,
    ),
    "61 header changed": (M.TO2_PROVE_OV_HDR, from_owner(0), 101),
    "61 HMAC changed": (M.TO2_PROVE_OV_HDR, from_owner(2, 1), 101),
    "61 HMAC is a hash": (M.TO2_PROVE_OV_HDR, from_owner(2, 0, value=-16), 100),
    "61 without entries": (M.TO2_PROVE_OV_HDR, from_owner(1, value=0), 101),
    "61 with 256 entries": (M.TO2_PROVE_OV_HDR, from_owner(1, value=256), 100),
    "61 nonce changed": (M.TO2_PROVE_OV_HDR, from_owner(3), 101),
    "61 signature info changed": (M.TO2_PROVE_OV_HDR, from_owner(4, 0, value=-35), 101),
    "61 hello hash changed": (M.TO2_PROVE_OV_HDR, from_owner(6, 1), 101),
    "61 hello hash keyed": (M.TO2_PROVE_OV_HDR, from_owner(6, 0, value=5), 101),
    "61 key exchange cut": (M.TO2_PROVE_OV_HDR, from_owner(5, value=b"\0\x20"), 100),
    "61 key exchange off the curve": (
        M.TO2_PROVE_OV_HDR,
        resigned(OWNER, change(negated, 5)),
        101,
    ),
    # 62, 63
    "62 for the entry after the last": (M.TO2_GET_OV_NEXT_ENTRY, put(2, 0), 101),
    "62 for entry 255": (M.TO2_GET_OV_NEXT_ENTRY, put(255, 0), 101),
    "62 for entry 256": (M.TO2_GET_OV_NEXT_ENTRY, put(256, 0), 100),
    "62 for entry -1": (M.TO2_GET_OV_NEXT_ENTRY, put(-1, 0), 100),
    "62 for another entry": (M.TO2_GET_OV_NEXT_ENTRY, put(1, 0), 101),
    "63 under another number": (M.TO2_OV_NEXT_ENTRY, put(9, 0), 101),
    "63 signature wrong": (M.TO2_OV_NEXT_ENTRY, flipped(1, 3), 101),
    "63 without a tag": (
        M.TO2_OV_NEXT_ENTRY,
        lambda data: cbor.join((b"\0", cbor.split(data)[1][1:])),
        100,
    ),
    "63 of another voucher": (
        M.TO2_OV_NEXT_ENTRY,
        lambda data: cbor.join((b"\0", OTHER.voucher.entries[0].raw)),
        101,
    ),
    # 64
    "64 signature wrong": (M.TO2_PROVE_DEVICE, flipped(3), 101),
    "64 signed by another key": (M.TO2_PROVE_DEVICE, resigned(STRANGER), 101),
    "64 nonce wrong": (M.TO2_PROVE_DEVICE, from_device(10, WRONG), 101),
    "64 nonce short": (M.TO2_PROVE_DEVICE, from_device(10, bytes(15)), 100),
    "64 of another GUID": (M.TO2_PROVE_DEVICE, from_device(256, b"\1" + WRONG), 101),
    "64 UEID not random": (
        M.TO2_PROVE_DEVICE,
        from_device(256, b"\2" + CHAIN.guid.raw),
        100,
    ),
    "64 without key exchange": (M.TO2_PROVE_DEVICE, from_device(-257, []), 100),
    "64 with two key exchanges": (
        M.TO2_PROVE_DEVICE,
        from_device(-257, [b"", b""]),
        100,
    ),
    "64 key exchange off the curve": (
        M.TO2_PROVE_DEVICE,
        resigned(DEVICE, change(negated, -257, 0)),
        101,
    ),
    "64 key exchange too long": (
        M.TO2_PROVE_DEVICE,
        resigned(DEVICE, change(lambda old: old + b"\0", -257, 0)),
        100,
    ),
    "64 without its nonce": (M.TO2_PROVE_DEVICE, resigned(DEVICE, m259=None), 100),
    "64 with a MAROE prefix": (M.TO2_PROVE_DEVICE, resigned(DEVICE, m258=b"x"), 100),
    "64 claims to be ES384": (
        M.TO2_PROVE_DEVICE,
        put(cbor.encode({1: -35}), 0),
        101,
    ),
    # 65
    "65 signature wrong": (M.TO2_SETUP_DEVICE, flipped(3), 101),
    "65 not signed by its key": (M.TO2_SETUP_DEVICE, resigned(STRANGER), 101),
    "65 nonce wrong": (M.TO2_SETUP_DEVICE, from_owner(2), 101),
    "65 with an unprotected header": (
        M.TO2_SETUP_DEVICE,
        resigned(OWNER, h256=b""),
        100,
    ),
    "65 with an unknown kind of key": (
        M.TO2_SETUP_DEVICE,
        from_owner(3, 0, value=2),
        101,
    ),
    "65 with a GUID of 15 bytes": (
        M.TO2_SETUP_DEVICE,
        from_owner(1, value=bytes(15)),
        100,
    ),
    # 66, 67
    "66 HMAC is a hash": (M.TO2_DEVICE_SERVICE_INFO_READY, put(-16, 0, 0), 100),
    "66 HMAC too short": (M.TO2_DEVICE_SERVICE_INFO_READY, put(b"", 0, 1), 100),
    "66 size of 17 bits": (M.TO2_DEVICE_SERVICE_INFO_READY, put(65536, 1), 100),
    "67 size of 17 bits": (M.TO2_OWNER_SERVICE_INFO_READY, put(65536, 0), 100),
    # 68, 69
    "68 more is a number": (M.TO2_DEVICE_SERVICE_INFO, put(0, 0), 100),
    "68 key without a colon": (M.TO2_DEVICE_SERVICE_INFO, put("devmod", 1, 0, 0), 100),
    "68 value not bytes": (M.TO2_DEVICE_SERVICE_INFO, put(True, 1, 0, 1), 100),
    "68 value not CBOR": (M.TO2_DEVICE_SERVICE_INFO, put(b"\xff", 1, 0, 1), 100),
    "68 value cut and not continued": (
        M.TO2_DEVICE_SERVICE_INFO,
        put(b"\x42\0", 1, 0, 1),
        100,
    ),
    "68 devmod of the wrong type": (
        M.TO2_DEVICE_SERVICE_INFO,
        put(["devmod:os", b"\1"], 1, 1),
        100,
    ),
    "68 announces too many modules": (
        M.TO2_DEVICE_SERVICE_INFO,
        put(["devmod:nummodules", cbor.encode(257)], 1, 9),
        101,
    ),
    "68 speaks of a module before devmod is complete": (
        M.TO2_DEVICE_SERVICE_INFO,
        put([["fdo.download:done", b"\0"]], 1),
        101,
    ),
    "68 larger than we take": (
        M.TO2_DEVICE_SERVICE_INFO,
        put([["devmod:bin", cbor.encode("x" * 1300)]], 1),
        101,
    ),
    "69 done and more": (M.TO2_OWNER_SERVICE_INFO, put([True, True, []]), 101),
    "69 value not CBOR": (
        M.TO2_OWNER_SERVICE_INFO,
        put([["a:b", b"\xff"]], 2),
        100,
    ),
    # 70, 71
    "70 nonce wrong": (M.TO2_DONE, flipped(0), 101),
    "70 nonce short": (M.TO2_DONE, put(bytes(15), 0), 100),
    "71 nonce wrong": (M.TO2_DONE2, flipped(0), 101),
}


def test_the_run_passes_unaltered() -> None:
    pair = ROLES.to2()
    pair.run()
    assert len(pair.effects) == 1


@pytest.mark.parametrize("name", CASES)
def test_one_wrong_thing_ends_the_run_with_its_code(name: str) -> None:
    kind, alteration, code = CASES[name]
    pair = ROLES.to2(alter={kind: alteration})
    assert code_of(pair.run) == code
    if kind is not M.TO2_DONE2:  # the owner was done by then
        assert pair.effects == []


MESSAGES = sorted(kind for kind in M if 60 <= kind <= 71)


@pytest.mark.parametrize("wrong", NO_CBOR)
@pytest.mark.parametrize("kind", MESSAGES)
def test_what_is_no_such_message_is_error_100(kind: MsgType, wrong: str) -> None:
    pair = ROLES.to2(alter={kind: NO_CBOR[wrong]})
    assert code_of(pair.run) == 100


SEALED = sorted(kind for kind in M if 65 <= kind <= 71)
ENVELOPES: dict[str, Alteration] = {
    "ciphertext changed": flip,
    "another cipher suite": put(cbor.encode({1: 3}), 0),
    "IV of 11 bytes": put(bytes(11), 1, 5),
    "another IV": put(bytes(12), 1, 5),
    "no IV": put({}, 1),
    "not sealed": lambda _data: cbor.encode([bytes(16)]),
    "tag of a MAC": lambda data: b"\xd1" + data[1:],
}


@pytest.mark.parametrize("wrong", ENVELOPES)
@pytest.mark.parametrize("kind", SEALED)
def test_what_does_not_decrypt_is_error_100(kind: MsgType, wrong: str) -> None:
    pair = ROLES.to2(alter_wire={kind: ENVELOPES[wrong]})
    assert code_of(pair.run) == 100
