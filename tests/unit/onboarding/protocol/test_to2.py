"""TO2 from HelloDevice to Done2, both roles joined, and every way it may end."""

import pytest

from onboarding.protocol.device_env import DeviceCredential, Onboarded
from onboarding.protocol.errors import RequiredModuleFailed
from onboarding.protocol.fdo_download import DownloadModule, FilePush
from onboarding.protocol.kex.ecdh import EcdhHalf
from onboarding.protocol.step import Credential, TakeOwnership
from onboarding.protocol.to2_states import AwaitingReady, Opening, Serving, decode_state
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import OwnerServiceInfo
from onboarding.wire.to2_secure import DeviceServiceInfoReady
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import KeyEncoding
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import Voucher
from tests.support.fdo_roles import NEW_RENDEZVOUS, KeepingModule, Roles
from tests.support.forge import Forge
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import WirePair

CONTENT = bytes(range(256)) * 10


@pytest.fixture(scope="module")
def roles() -> Roles:
    return Roles(SupplyChain().make_device().sell_to("dealer").sell_to("owner"))


def keeping_file(size: int) -> KeepingModule:
    """A download module that is content when ``size`` bytes have come."""
    seen = bytearray()

    def answer(message: str, value: bytes) -> list[tuple[str, bytes]]:
        if message == "data":
            seen.extend(cbor.bstr(cbor.decode(value)))
            if len(seen) == size:
                return [("done", cbor.encode(size))]
        return []

    return KeepingModule("fdo.download", answer)


def effect_of(pair: WirePair[Onboarded]) -> TakeOwnership:
    (effect,) = pair.effects
    assert isinstance(effect, TakeOwnership)
    return effect


@pytest.mark.parametrize("encoding", list(KeyEncoding))
@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_device_and_owner_end_with_matching_credential_and_voucher(
    curve: str, encoding: KeyEncoding
) -> None:
    chain = SupplyChain(curve, encoding).make_device().sell_to("dealer").sell_to("own")
    pair = Roles(chain).to2()
    onboarded = pair.run()
    taken = effect_of(pair)
    voucher = taken.new_voucher
    assert voucher is not None
    assert taken.credential is Credential.REPLACED
    assert onboarded.credential == DeviceCredential(
        voucher.guid,
        chain.voucher.header.device_info,
        NEW_RENDEZVOUS.raw,
        voucher.header.key_hash(chain.hash_type),
    )
    assert voucher.guid != chain.guid
    assert voucher.entries == ()
    verify(voucher, hmac_secret=chain.hmac_secret)
    assert onboarded.owner_key == chain.owner.public_key.raw


def test_the_new_voucher_carries_the_device_through_to2_again(roles: Roles) -> None:
    first = roles.to2()
    first.run()
    chain = SupplyChain()
    chain.__dict__.update(roles.chain.__dict__)
    voucher = effect_of(first).new_voucher
    assert voucher is not None
    chain.manufacturer, chain.voucher = roles.chain.owner, voucher
    chain.owner = roles.chain.owner
    again = Roles(chain.sell_to("owner")).to2()
    assert again.run().credential is not None


def test_messages_come_in_the_order_of_the_specification(roles: Roles) -> None:
    pair = roles.to2()
    pair.run()
    entries = [62, 63] * 2
    assert pair.types == [60, 61, *entries, 64, 65, 66, 67, 68, 69, 70, 71]


def test_devmod_reaches_the_owner(roles: Roles) -> None:
    pair = roles.to2()
    pair.run()
    facts = effect_of(pair).devmod
    assert facts["os"] == "Linux"
    assert facts["sn"] == "SN-1"
    assert facts["modules"] == []


@pytest.mark.parametrize("size", [0, 1, 1014, 1015, 2560])
def test_a_file_arrives_whole(roles: Roles, size: int) -> None:
    content = CONTENT[:size]
    module = DownloadModule((FilePush("a/file", content),))
    device = keeping_file(size)
    pair = roles.to2(module, device={"modules": (device,)})
    pair.run()
    data = [cbor.decode(value) for what, value in device.received if what == "data"]
    assert b"".join(one for one in data if isinstance(one, bytes)) == content
    assert max(len(one) for one in data if isinstance(one, bytes)) <= 1014
    (result,) = effect_of(pair).results
    assert (result.ok, result.facts["files"]) == (True, ["a/file"])


def test_several_files_arrive_in_order(roles: Roles) -> None:
    files = (FilePush("one", b"1" * 1500), FilePush("two", b"2" * 1500))
    sizes = {"left": 1500}

    def answer(what: str, value: bytes) -> list[tuple[str, bytes]]:
        if what != "data":
            return []
        sizes["left"] -= len(cbor.bstr(cbor.decode(value)))
        if sizes["left"]:
            return []
        sizes["left"] = 1500
        return [("done", cbor.encode(1500))]

    device = KeepingModule("fdo.download", answer)
    pair = roles.to2(DownloadModule(files), device={"modules": (device,)})
    pair.run()
    (result,) = effect_of(pair).results
    assert result.facts["files"] == ["one", "two"]


@pytest.mark.parametrize("limit", [256, 300, 1300, 65535, None])
def test_no_message_is_larger_than_its_receiver_said(
    roles: Roles, limit: int | None
) -> None:
    device = keeping_file(len(CONTENT))
    module = DownloadModule((FilePush("f", CONTENT),))
    pair = roles.to2(
        module,
        device={"modules": (device,), "max_service_info": limit},
    )
    pair.run()
    sizes = [len(one) for one in pair.plains(MsgType.TO2_OWNER_SERVICE_INFO)]
    assert max(sizes) <= (limit or 1300)


def test_values_too_long_for_one_message_are_cut_and_joined_again(
    roles: Roles,
) -> None:
    """A name of 255 characters takes more than a message of 256 bytes."""
    name = "n" * 255
    device = keeping_file(10)
    module = DownloadModule((FilePush(name, CONTENT[:10]),))
    pair = roles.to2(module, device={"modules": (device,), "max_service_info": 256})
    pair.run()
    more = [
        OwnerServiceInfo.from_cbor(one).more
        for one in pair.plains(MsgType.TO2_OWNER_SERVICE_INFO)
    ]
    assert any(more)
    assert ("name", cbor.encode(name)) in device.received


def test_a_device_with_many_modules_sends_devmod_in_pieces(roles: Roles) -> None:
    names = [f"org.example.module-{number:03}" for number in range(90)]
    modules = tuple(KeepingModule(name, lambda _w, _v: []) for name in names)
    pair = roles.to2(device={"modules": modules})
    pair.run()
    assert effect_of(pair).devmod["modules"] == names
    sizes = [len(one) for one in pair.plains(MsgType.TO2_DEVICE_SERVICE_INFO)]
    assert len(sizes) > 2
    assert max(sizes) <= 1300


def test_credential_reuse_leaves_both_sides_as_they_were() -> None:
    roles = Roles(SupplyChain().make_device().sell_to("owner"), reuse=True)
    pair = roles.to2(device={"allow_reuse": True})
    assert pair.run().credential is None
    taken = effect_of(pair)
    assert (taken.credential, taken.new_voucher) == (Credential.REUSED, None)
    roles.to2(device={"allow_reuse": True}).run()


def test_a_device_without_resale_keeps_its_credential(roles: Roles) -> None:
    def without_hmac(plain: bytes) -> bytes:
        message = DeviceServiceInfoReady.from_cbor(plain)
        return DeviceServiceInfoReady(None, message.max_service_info).encode()

    kind = MsgType.TO2_DEVICE_SERVICE_INFO_READY
    pair = roles.to2(alter={kind: without_hmac})
    pair.run()
    taken = effect_of(pair)
    assert (taken.credential, taken.new_voucher) == (Credential.KEPT, None)


def test_an_optional_module_that_the_device_lacks_is_told_but_ends_nothing(
    roles: Roles,
) -> None:
    module = DownloadModule((FilePush("f", b"x"),), required=False)
    pair = roles.to2(module)
    pair.run()
    (result,) = effect_of(pair).results
    assert (result.ok, result.detail) == (False, "the device does not have it")


def test_a_required_module_that_the_device_lacks_ends_to2(roles: Roles) -> None:
    pair = roles.to2(DownloadModule((FilePush("f", b"x"),)))
    with pytest.raises(RequiredModuleFailed) as failed:
        pair.run()
    assert [one.name for one in failed.value.results] == ["fdo.download"]
    assert pair.effects == []


def test_a_file_the_device_cannot_write_ends_to2(roles: Roles) -> None:
    device = KeepingModule(
        "fdo.download",
        lambda what, _value: [("done", cbor.encode(-1))] if what == "data" else [],
    )
    module = DownloadModule((FilePush("f", b"x"),))
    with pytest.raises(RequiredModuleFailed, match="could not write f"):
        roles.to2(module, device={"modules": (device,)}).run()


def test_a_device_follows_a_voucher_of_255_entries_to_its_owner() -> None:
    chain = SupplyChain().make_device().sell_to("dealer")
    chain.voucher = Voucher.from_cbor(Forge(chain, (chain.owner,) * 255).encode())
    assert len(chain.voucher.entries) == 255
    assert Roles(chain).to2().run().owner_key == chain.owner.public_key.raw


def test_asking_for_an_entry_again_gives_it_again(roles: Roles) -> None:
    pair = roles.to2()
    hello = pair.client.start()
    pair.serve(hello.type, hello.body)
    state = pair.state
    first, second = (
        pair.serve(MsgType.TO2_GET_OV_NEXT_ENTRY, cbor.encode([1])) for _ in range(2)
    )
    assert first == second
    assert pair.state == state


def test_the_state_before_proof_fits_a_token() -> None:
    for curve in ("P-256", "P-384"):
        pair = Roles(SupplyChain(curve).make_device().sell_to("owner")).to2()
        hello = pair.client.start()
        pair.serve(hello.type, hello.body)
        assert pair.state is not None
        state = decode_state(pair.state)
        assert isinstance(state, Opening)
        assert state.sealed
        assert len(pair.state) < 300


def test_states_show_no_secret_in_their_repr(roles: Roles) -> None:
    pair = roles.to2(DownloadModule((FilePush("f", b""),)))
    shown = []
    move = pair.client.start()
    for _ in range(5):
        reply = pair.serve(move.type, move.body)
        assert pair.state is not None
        state = decode_state(pair.state)
        shown.append(repr(state))
        if isinstance(state, AwaitingReady | Serving):
            key = state.session.tunnel.key
            assert repr(key) not in "".join(shown)
            assert not state.sealed
        else:
            assert isinstance(state.half, EcdhHalf)
            assert str(state.half.scalar) not in "".join(shown)
            assert repr(state.half.parameter.random) not in "".join(shown)
        move = pair.client.receive(*reply)
    assert isinstance(state, Serving)


def test_a_state_that_is_not_ours_is_malformed(roles: Roles) -> None:
    pair = roles.to2()
    hello = pair.client.start()
    pair.serve(hello.type, hello.body)
    assert pair.state is not None
    fields = cbor.array(cbor.decode(pair.state))
    for index, wrong in ((0, 9), (1, b"short"), (3, 4), (4, []), (4, [1, b"", b""])):
        bent = [*fields]
        bent[index] = wrong
        with pytest.raises(MalformedError):
            decode_state(cbor.encode(bent))
