import pytest
from cryptography import x509

from ownership_vouchers.errors import Check, CheckFailed
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.verify import (
    VerifiedVoucher,
    failed_checks,
    first_link,
    verify,
    verify_entry,
)
from ownership_vouchers.voucher import Voucher
from tests.support.forgeries import Build, every_case
from tests.support.supply_chain import SupplyChain
from tests.support.verdicts import verdict
from tests.support.workshop import Workshop


@pytest.fixture
def chain() -> SupplyChain:
    return SupplyChain().make_device().sell_to("dealer").sell_to("owner")


@pytest.mark.parametrize(("expected", "build"), every_case().values(), ids=every_case())
def test_a_single_change_is_judged_for_what_it_is(expected: str, build: Build) -> None:
    shop = Workshop()
    assert verdict(build(shop), shop.chain.hmac_secret) == expected


def test_a_verified_voucher_says_what_was_checked(chain: SupplyChain) -> None:
    everything = chain.verified.checks
    assert everything == set(Check) - {Check.LIMITS, Check.OWNER_KEY}
    little = verify(chain.voucher).checks
    assert everything - little == {Check.HEADER_HMAC, Check.MFG_KEY_HASH}


def test_a_verified_voucher_cannot_be_had_without_verify(chain: SupplyChain) -> None:
    with pytest.raises(TypeError, match=r"verify\(\) only"):
        VerifiedVoucher(chain.voucher, frozenset(), proof=object())


def test_the_last_entry_must_name_one_of_our_keys(chain: SupplyChain) -> None:
    keys = [chain.parties["dealer"].public_key]
    with pytest.raises(CheckFailed) as caught:
        verify(chain.voucher, owner_keys=keys)
    assert caught.value.check is Check.OWNER_KEY
    keys.append(chain.owner.public_key)
    assert Check.OWNER_KEY in verify(chain.voucher, owner_keys=keys).checks


def test_a_voucher_never_extended_belongs_to_no_owner() -> None:
    chain = SupplyChain().make_device()
    keys = [chain.manufacturer.public_key]
    failures = failed_checks(chain.voucher, owner_keys=keys)
    assert [failure.check for failure in failures] == [Check.OWNER_KEY]


def test_another_manufacturers_key_hash_is_refused(chain: SupplyChain) -> None:
    other = Hash.of(HashType.SHA256, b"another key")
    with pytest.raises(CheckFailed) as caught:
        verify(chain.voucher, mfg_key_hash=other)
    assert caught.value.check is Check.MFG_KEY_HASH


def test_the_wrong_secret_is_refused(chain: SupplyChain) -> None:
    with pytest.raises(CheckFailed) as caught:
        verify(chain.voucher, hmac_secret=bytes(32))
    assert caught.value.check is Check.HEADER_HMAC
    with pytest.raises(CheckFailed):
        verify(chain.voucher, hmac_secret=b"")


@pytest.mark.parametrize("roots", ["none at all", "another"])
def test_a_device_authority_we_do_not_know_is_refused(
    chain: SupplyChain, roots: str
) -> None:
    known: list[x509.Certificate] = []
    if roots == "another":
        known.append(SupplyChain().device_root)
    with pytest.raises(CheckFailed) as caught:
        verify(chain.voucher, device_roots=known)
    assert caught.value.check is Check.DEVICE_CHAIN


def test_the_first_failure_raised_is_the_first_one_listed() -> None:
    shop = Workshop()
    voucher = Voucher.from_cbor(shop.bend(certificates=b"\xf6", version=b"\x18\x64"))
    failures = failed_checks(voucher)
    assert [failure.check for failure in failures] == [
        Check.PROTOCOL_VERSION,
        Check.CERT_CHAIN_HASH,
        Check.DEVICE_CHAIN,
    ]
    with pytest.raises(CheckFailed) as caught:
        verify(voucher)
    assert caught.value.check is failures[0].check


def follow(voucher: Voucher) -> None:
    """Check entry by entry, as a device does in TO2."""
    signer = voucher.header.manufacturer_key
    previous = first_link(voucher.header.raw, voucher.hmac_raw)
    hash_type: HashType | None = None
    for entry in voucher.entries:
        hash_type = verify_entry(
            entry,
            header=voucher.header,
            signer=signer,
            previous=previous,
            hash_type=hash_type,
        )
        signer, previous = entry.public_key, entry.raw


def test_a_device_can_follow_the_entries_one_by_one(chain: SupplyChain) -> None:
    follow(chain.voucher)


@pytest.mark.parametrize(
    "name",
    [
        "hash changes on the way",
        "signed by the maker again",
        "says ES384",
        "sold to a P-384 key",
    ],
)
def test_a_device_refuses_what_the_importer_refuses(name: str) -> None:
    expected, build = every_case()[name]
    with pytest.raises(CheckFailed) as caught:
        follow(Voucher.from_cbor(build(Workshop())))
    assert caught.value.check.value == expected
