"""TO2 under every key, key exchange and cipher, and no pair that FDO does not know.

Source: FDO 1.1, sections 3.6 and 4.4.
"""

from typing import Any

import pytest

from onboarding.protocol.ciphers import EVERY, CipherSuite
from onboarding.protocol.errors import Unsupported
from onboarding.protocol.fdo_download import DownloadModule, FilePush
from onboarding.protocol.kex import suites_of
from onboarding.protocol.kex.group import GROUPS
from onboarding.protocol.modules import Message
from onboarding.protocol.to2_states import Opening, decode_state
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.message import KexSuite, MsgType
from ownership_vouchers import cbor
from ownership_vouchers.encrypt0 import Aead, Encrypt0
from ownership_vouchers.types import Hash, HashType
from tests.support.alterations import put, resigned
from tests.support.fdo_roles import KeepingModule, Roles
from tests.support.refusals import code_of
from tests.support.supply_chain import KINDS, SupplyChain, new_key
from tests.support.wire_pair import WirePair

PAIRS = [
    (device, owner, suite)
    for device in KINDS
    for owner in KINDS
    for suite in suites_of(new_key(owner).public_key())
]


def roles_of(device: str, owner: str) -> Roles:
    chain = SupplyChain(owner, device=device).make_device().sell_to("owner")
    return Roles(chain)


@pytest.mark.parametrize(("device", "owner", "suite"), PAIRS)
def test_any_device_is_onboarded_by_any_owner(
    device: str, owner: str, suite: KexSuite
) -> None:
    pair = roles_of(device, owner).to2(device={"kex": suite})
    assert pair.run().credential is not None
    assert len(pair.effects) == 1
    assert isinstance(pair.tunnel, Tunnel)
    strong = suite in ("ECDH384", "DHKEXid15", "ASYMKEX3072")
    assert pair.tunnel.cipher is (Aead.A256GCM if strong else Aead.A128GCM)


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_expects_an_owner_of_its_own_kind(kind: str) -> None:
    pair = roles_of(kind, kind).to2()
    assert pair.run().credential is not None


def replacing(kind: str, cipher: CipherSuite, **given: Any) -> WirePair[Any]:
    device = {"cipher": cipher}
    return roles_of(kind, kind).to2(device=device, owner=given)


@pytest.mark.parametrize("cipher", sorted(EVERY))
@pytest.mark.parametrize("kind", ["P-256", "RSA-3072"])
def test_a_run_goes_through_under_every_cipher(kind: str, cipher: CipherSuite) -> None:
    pair = replacing(kind, cipher, ciphers=EVERY)
    assert pair.run().credential is not None
    assert pair.tunnel is not None
    assert pair.tunnel.cipher is cipher


def taking(size: int) -> KeepingModule:
    """A download module that is content when ``size`` bytes have come."""
    seen = bytearray()

    def answer(message: str, value: bytes) -> list[Message]:
        if message == "data":
            seen.extend(cbor.bstr(cbor.decode(value)))
        whole = message == "data" and len(seen) == size
        return [("done", cbor.encode(size))] if whole else []

    return KeepingModule("fdo.download", answer)


@pytest.mark.parametrize("cipher", [one for one in Aead if one.iv_size == 7])
def test_no_two_messages_of_a_run_have_the_same_iv_by_chance_alone(
    cipher: Aead,
) -> None:
    module = DownloadModule((FilePush("file", bytes(5000)),))
    device = {"cipher": cipher, "modules": (taking(5000),)}
    pair = roles_of("P-256", "P-256").to2(module, device=device)
    pair.run()
    sealed = [one.body for one in pair.passed if one.type >= MsgType.TO2_SETUP_DEVICE]
    counted = [Encrypt0.from_cbor(one, 7).iv[3:] for one in sealed]
    assert counted == [place.to_bytes(4, "big") for place in range(len(sealed))]
    assert len(sealed) > 8


@pytest.mark.parametrize("device", ["P-256", "RSA-2048"])
@pytest.mark.parametrize("owner", KINDS)
@pytest.mark.parametrize("suite", KexSuite)
def test_owner_refuses_a_suite_that_its_key_is_not_for(
    device: str, owner: str, suite: KexSuite
) -> None:
    if suite in suites_of(new_key(owner).public_key()):
        return
    pair = roles_of(device, owner).to2(device={"kex": suite})
    with pytest.raises(Unsupported, match="with this owner's key"):
        pair.run()
    assert [one.type for one in pair.passed] == [MsgType.TO2_HELLO_DEVICE]


@pytest.mark.parametrize("kind", ["RSA-2048", "RSA-3072", "RSA-3072-PSS"])
def test_owner_can_insist_on_forward_secrecy(kind: str) -> None:
    safe, other = suites_of(new_key(kind).public_key())
    roles, insisting = roles_of("P-256", kind), {"asymkex": False}
    pair = roles.to2(device={"kex": other}, owner=insisting)
    with pytest.raises(Unsupported, match=f"it takes {safe}$"):
        pair.run()
    roles.to2(device={"kex": safe}, owner=insisting).run()


def test_device_refuses_an_owner_whose_key_is_not_for_its_suite() -> None:
    """As an owner would be that answers with what it has, and not what it was asked."""
    roles = roles_of("P-256", "P-256")
    pair = roles.to2(device={"kex": KexSuite.DHKEXID14})
    asked = pair.client.start().body
    pair.alter = {
        MsgType.TO2_HELLO_DEVICE: put("ECDH256", 3),
        MsgType.TO2_PROVE_OV_HDR: resigned(
            roles.chain.owner.signer,
            put(Hash.of(HashType.SHA256, asked).to_item(), 6),
        ),
    }
    with pytest.raises(Unsupported, match="with this owner's key"):
        pair.run()
    assert pair.types == [60, 61]


@pytest.mark.parametrize("kind", ["RSA-2048", "RSA-3072"])
def test_a_state_survives_its_bytes_and_shows_no_secret(kind: str) -> None:
    for suite in suites_of(new_key(kind).public_key()):
        pair = roles_of(kind, kind).to2(device={"kex": suite})
        hello = pair.client.start()
        pair.serve(hello.type, hello.body)
        assert pair.state is not None
        state = decode_state(pair.state)
        assert state.encode() == pair.state
        assert isinstance(state, Opening)
        assert f"half={type(state.half).__name__}(suite={suite!r})" in repr(state)


PRIME = GROUPS[KexSuite.DHKEXID14].prime
ANSWERS: dict[str, tuple[KexSuite, bytes, int]] = {
    "DHKEXid14: nothing": (KexSuite.DHKEXID14, b"", 100),
    "DHKEXid14: one": (KexSuite.DHKEXID14, b"\1", 101),
    "DHKEXid14: p - 1": (KexSuite.DHKEXID14, (PRIME - 1).to_bytes(256, "big"), 101),
    "DHKEXid14: p": (KexSuite.DHKEXID14, PRIME.to_bytes(256, "big"), 101),
    "DHKEXid14: of id15's length": (KexSuite.DHKEXID14, b"\1" * 384, 100),
    "ASYMKEX2048: nothing": (KexSuite.ASYMKEX2048, b"", 101),
    "ASYMKEX2048: in clear": (KexSuite.ASYMKEX2048, bytes(32), 101),
    "ASYMKEX2048: of another length": (KexSuite.ASYMKEX2048, b"\1" * 384, 101),
    "ASYMKEX2048: not encrypted to us": (KexSuite.ASYMKEX2048, b"\1" * 256, 101),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_owner_refuses_an_answer_that_is_none_of_the_suite(name: str) -> None:
    suite, value, code = ANSWERS[name]
    roles = roles_of("P-256", "RSA-2048")
    signer = roles.chain.device_signer
    change = resigned(signer, put([value], -257))
    pair = roles.to2(device={"kex": suite}, alter={MsgType.TO2_PROVE_DEVICE: change})
    assert code_of(pair.run) == code
    assert pair.types[-1] == MsgType.TO2_PROVE_DEVICE


OFFERS: dict[str, tuple[KexSuite, bytes, int]] = {
    "DHKEXid14: zero": (KexSuite.DHKEXID14, bytes(256), 101),
    "DHKEXid14: p + 1": (KexSuite.DHKEXID14, (PRIME + 1).to_bytes(256, "big"), 101),
    "DHKEXid14: too long": (KexSuite.DHKEXID14, b"\1" * 258, 100),
    "ASYMKEX2048: a random of 31 bytes": (KexSuite.ASYMKEX2048, bytes(31), 100),
    "ASYMKEX2048: a random of 96 bytes": (KexSuite.ASYMKEX2048, bytes(96), 100),
}


@pytest.mark.parametrize("name", OFFERS)
def test_device_refuses_an_offer_that_is_none_of_the_suite(name: str) -> None:
    suite, value, code = OFFERS[name]
    roles = roles_of("P-256", "RSA-2048")
    change = resigned(roles.chain.owner.signer, put(value, 5))
    pair = roles.to2(device={"kex": suite}, alter={MsgType.TO2_PROVE_OV_HDR: change})
    assert code_of(pair.run) == code
    assert MsgType.TO2_PROVE_DEVICE not in pair.types


TUNNELLED = [
    MsgType.TO2_SETUP_DEVICE,
    MsgType.TO2_DEVICE_SERVICE_INFO_READY,
    MsgType.TO2_OWNER_SERVICE_INFO_READY,
    MsgType.TO2_DEVICE_SERVICE_INFO,
    MsgType.TO2_OWNER_SERVICE_INFO,
    MsgType.TO2_DONE,
    MsgType.TO2_DONE2,
]


@pytest.mark.parametrize("cipher", sorted(EVERY))
@pytest.mark.parametrize("kind", TUNNELLED)
def test_a_bit_changed_in_the_tunnel_is_error_100_under_every_cipher(
    kind: MsgType, cipher: CipherSuite
) -> None:
    pair = replacing("P-256", cipher, ciphers=EVERY)
    pair.alter_wire = {kind: lambda body: body[:-1] + bytes([body[-1] ^ 1])}
    assert code_of(pair.run) == 100
    assert pair.types[-1] == kind
