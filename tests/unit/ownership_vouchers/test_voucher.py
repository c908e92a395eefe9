import dataclasses

import pytest

from ownership_vouchers import cbor
from ownership_vouchers.errors import Check, CheckFailed, MalformedError
from ownership_vouchers.header import Header
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.voucher import Voucher
from tests.support.forge import Forge
from tests.support.forgeries import ACCEPTED
from tests.support.supply_chain import SupplyChain
from tests.support.workshop import Workshop


@pytest.fixture
def chain() -> SupplyChain:
    return SupplyChain().make_device().sell_to("dealer").sell_to("owner")


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_received_is_what_is_kept(name: str) -> None:
    data = ACCEPTED[name](Workshop())
    voucher = Voucher.from_cbor(data)
    assert voucher.raw == voucher.encode() == data
    assert voucher.header.raw in data
    for entry in voucher.entries:
        assert entry.raw in data


def test_a_new_entry_leaves_every_byte_before_it_alone() -> None:
    shop = Workshop()
    long = {0: b"\x1a\x00\x00\x00\x65"}
    buyers = (shop.dealer,)
    old = Voucher.from_cbor(Forge(shop.chain, buyers, header=long).encode())
    both = Voucher.from_cbor(shop.bend(header=long))
    new = old.with_entry(both.entries[1].raw)
    head = old.raw[: old.raw.index(old.entries[0].raw) - 1]
    assert new.raw.startswith(head)
    assert new.entries[0] == old.entries[0]


def test_a_voucher_belongs_to_the_last_entrys_key(chain: SupplyChain) -> None:
    assert chain.voucher.owner_key.same_key(chain.owner.public_key)
    fresh = SupplyChain().make_device()
    assert fresh.voucher.owner_key.same_key(fresh.manufacturer.public_key)


def test_the_device_key_is_the_leafs(chain: SupplyChain) -> None:
    numbers = chain.device_key.public_key().public_numbers()
    assert chain.voucher.device_key.public_numbers() == numbers
    assert chain.voucher.device_key is chain.voucher.device_key  # parsed once


@pytest.mark.parametrize("certificates", [None, (b"x",), ()])
def test_without_a_readable_leaf_there_is_no_device_key(
    chain: SupplyChain, certificates: tuple[bytes, ...] | None
) -> None:
    voucher = dataclasses.replace(chain.voucher, cert_chain=certificates)
    with pytest.raises(CheckFailed) as caught:
        _ = voucher.device_key
    assert caught.value.check is Check.DEVICE_CHAIN


def test_a_replaced_header_keeps_the_bytes_of_key_and_rendezvous(
    chain: SupplyChain,
) -> None:
    old = chain.voucher.header
    new = Header.build(
        Guid(bytes(16)),
        old.rv_info,
        old.device_info,
        chain.owner.public_key,
        old.cert_chain_hash,
    )
    assert old.rv_info.raw in new.raw
    assert chain.owner.public_key.raw in new.raw
    assert new == Header.from_cbor(new.raw)


def test_a_header_may_name_no_chain(chain: SupplyChain) -> None:
    old = chain.voucher.header
    key = old.manufacturer_key
    new = Header.build(old.guid, old.rv_info, old.device_info, key, None)
    assert new.cert_chain_hash is None
    hmac = Hash.mac(HashType.HMAC_SHA256, b"", new.raw)
    assert Voucher.build(new, hmac, None).cert_chain is None


def test_what_is_built_is_what_would_be_read_back(chain: SupplyChain) -> None:
    old = chain.voucher
    built = Voucher.build(old.header, old.hmac, old.cert_chain)
    assert built == Voucher.from_cbor(built.raw)


MAC, PLAIN = (Hash.mac(HashType.HMAC_SHA256, b"", b""), Hash.of(HashType.SHA256, b""))
HEADERS_NEVER_BUILT: dict[str, dict[str, object]] = {
    "device info over 1024": {"device_info": "x" * 1025},
    "chain hash is an HMAC": {"cert_chain_hash": MAC},
    "over 31 KiB": {
        "rv_info": RendezvousInfo.from_cbor(
            cbor.encode([[[100 + number, bytes(1024)] for number in range(32)]])
        )
    },
}
VOUCHERS_NEVER_BUILT: dict[str, dict[str, object]] = {
    "HMAC is a hash": {"hmac": PLAIN},
    "11 certificates": {"cert_chain": [b"x"] * 11},
    "certificate over 16 KiB": {"cert_chain": [bytes(16385)]},
}


@pytest.mark.parametrize("case", HEADERS_NEVER_BUILT)
def test_no_header_is_built_that_would_not_be_read(
    chain: SupplyChain, case: str
) -> None:
    old = chain.voucher.header
    fields: dict[str, object] = {
        "guid": old.guid,
        "rv_info": old.rv_info,
        "device_info": old.device_info,
        "manufacturer_key": old.manufacturer_key,
        "cert_chain_hash": old.cert_chain_hash,
    }
    assert Header.build(**fields) == old  # type: ignore[arg-type]
    with pytest.raises(MalformedError):
        Header.build(**{**fields, **HEADERS_NEVER_BUILT[case]})  # type: ignore[arg-type]


@pytest.mark.parametrize("case", VOUCHERS_NEVER_BUILT)
def test_no_voucher_is_built_that_would_not_be_read(
    chain: SupplyChain, case: str
) -> None:
    fields: dict[str, object] = {
        "header": chain.voucher.header,
        "hmac": chain.voucher.hmac,
        "cert_chain": chain.voucher.cert_chain,
    }
    Voucher.build(**fields)  # type: ignore[arg-type]
    with pytest.raises((MalformedError, CheckFailed)):
        Voucher.build(**{**fields, **VOUCHERS_NEVER_BUILT[case]})  # type: ignore[arg-type]


def test_a_voucher_cannot_be_changed(chain: SupplyChain) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        chain.voucher.hmac = Hash.of(HashType.SHA256, b"")  # type: ignore[misc]


def test_a_malformed_entry_is_named() -> None:
    with pytest.raises(MalformedError, match=r"^entry 1: "):
        Voucher.from_cbor(Workshop().last(extra=b"\x01"))


def test_a_voucher_does_not_print_its_keys(chain: SupplyChain) -> None:
    assert "b'" not in repr(chain.voucher.header.rv_info.directives)
    assert chain.hmac_secret.hex() not in repr(chain.voucher)
