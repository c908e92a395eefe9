import pytest

from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.errors import Check, CheckFailed, UnsupportedKeyError
from ownership_vouchers.extend import extend, next_owner_key
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey
from ownership_vouchers.types import HashType
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import Voucher
from tests.support.forge import Forge
from tests.support.supply_chain import KINDS, Party, SupplyChain, new_key
from tests.support.workshop import Workshop

FORMS = [
    (kind, encoding)
    for kind in KINDS
    for encoding in KeyEncoding
    if not (kind.startswith("RSA") and encoding is KeyEncoding.COSEKEY)
]


@pytest.mark.parametrize(("kind", "encoding"), FORMS)
def test_a_voucher_can_be_sold_on_with_every_kind_of_key(
    kind: str, encoding: KeyEncoding
) -> None:
    chain = SupplyChain(kind, encoding).make_device()
    before = chain.voucher
    chain.sell_to("dealer").sell_to("owner")
    assert chain.verified.voucher == chain.voucher
    assert Voucher.from_cbor(chain.voucher.raw) == chain.voucher
    assert before.entries == ()
    kinds = {entry.prev_hash.type for entry in chain.voucher.entries}
    assert kinds == {chain.hash_type}


def test_extra_travels_with_the_entry() -> None:
    chain = SupplyChain().make_device()
    buyer = Party.found("owner", "P-256", KeyEncoding.X509).public_key
    maker = chain.manufacturer
    for extra in (None, {}, {1: b"invoice"}):
        sold = extend(chain.verified, maker.signer, maker.public_key, buyer, extra)
        assert sold.entries[0].extra == extra
        verify(sold)


def refused(check: Check, chain: SupplyChain, seller: Party, buyer: PublicKey) -> None:
    with pytest.raises(CheckFailed) as caught:
        extend(chain.voucher, seller.signer, seller.public_key, buyer)
    assert caught.value.check is check


def test_only_the_owner_can_sell() -> None:
    chain = SupplyChain().make_device().sell_to("dealer")
    buyer = Party.found("owner", "P-256", KeyEncoding.X509)
    refused(Check.OWNER_KEY, chain, buyer, buyer.public_key)
    refused(Check.OWNER_KEY, chain, chain.manufacturer, buyer.public_key)


def test_a_signer_that_is_not_the_owners_is_found_out() -> None:
    chain = SupplyChain().make_device()
    buyer = Party.found("owner", "P-256", KeyEncoding.X509)
    maker = chain.manufacturer.public_key
    for signer in (buyer.signer, SoftSigner(new_key("P-384"))):
        with pytest.raises(CheckFailed) as caught:
            extend(chain.voucher, signer, maker, buyer.public_key)
        assert caught.value.check is Check.ENTRIES


def test_key_types_are_not_mixed() -> None:
    chain = SupplyChain().make_device()
    other = Party.found("owner", "P-384", KeyEncoding.X509)
    refused(Check.KEY_TYPES, chain, chain.manufacturer, other.public_key)


def test_a_voucher_that_does_not_hold_is_not_extended() -> None:
    shop = Workshop()
    chain = shop.chain
    chain.voucher = Voucher.from_cbor(shop.bend(certificates=b"\xf6"))
    refused(Check.CERT_CHAIN_HASH, chain, shop.owner, shop.dealer.public_key)


def test_an_entry_too_many_is_refused() -> None:
    shop = Workshop()
    raw = Forge(shop.chain, (shop.dealer,) * 255).encode()
    shop.chain.voucher = Voucher.from_cbor(raw)
    assert len(shop.chain.voucher.entries) == 255
    refused(Check.LIMITS, shop.chain, shop.dealer, shop.owner.public_key)


def test_a_voucher_that_would_grow_too_long_is_refused() -> None:
    chain = SupplyChain().make_device()
    maker = chain.manufacturer
    buyer = Party.found("owner", "P-256", KeyEncoding.X509).public_key
    extra = {number: bytes(60000) for number in range(2)}
    with pytest.raises(CheckFailed) as caught:
        extend(chain.voucher, maker.signer, maker.public_key, buyer, extra)
    assert caught.value.check is Check.LIMITS


@pytest.mark.parametrize(("kind", "encoding"), FORMS)
def test_a_buyers_key_is_written_as_the_voucher_has_it(
    kind: str, encoding: KeyEncoding
) -> None:
    voucher = SupplyChain(kind, encoding).make_device().voucher
    buyer = Party.found("owner", kind, encoding)
    key = buyer.private_key.public_key()
    assert next_owner_key(voucher, key, buyer.certificates) == buyer.public_key
    plain = next_owner_key(voucher, key)
    assert plain.type is voucher.header.manufacturer_key.type
    assert plain.encoding is not KeyEncoding.X5CHAIN


def test_a_buyers_key_of_another_kind_is_refused() -> None:
    voucher = SupplyChain("P-256").make_device().voucher
    for kind in ("P-384", "RSA-2048"):
        with pytest.raises(UnsupportedKeyError):
            next_owner_key(voucher, new_key(kind).public_key())


def test_rsa_of_2048_bits_stays_the_type_the_voucher_has() -> None:
    chain = SupplyChain("RSA-2048")
    maker = chain.manufacturer.private_key.public_key()
    chain.manufacturer = Party(
        "manufacturer",
        chain.manufacturer.private_key,
        chain.manufacturer.signer,
        PublicKey.of(maker, key_type=KeyType.RSAPKCS),
        (),
    )
    voucher = chain.make_device().voucher
    key = next_owner_key(voucher, new_key("RSA-2048", "owner").public_key())
    sold = extend(voucher, chain.owner.signer, chain.owner.public_key, key)
    verify(sold)


def test_entries_go_on_with_the_hash_they_began_with() -> None:
    shop = Workshop()
    raw = Forge(shop.chain, (shop.dealer,)).encode()
    old = Voucher.from_cbor(raw)
    sold = extend(
        old, shop.dealer.signer, shop.dealer.public_key, shop.owner.public_key
    )
    assert sold.entries[1].prev_hash.type == HashType.SHA256
