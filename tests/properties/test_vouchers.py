"""From any bytes nothing comes out but a value or our own error."""

from collections.abc import Callable
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ownership_vouchers import cbor
from ownership_vouchers.certificates import hardware_module_name, tpm_attributes
from ownership_vouchers.cose import Sign1
from ownership_vouchers.encrypt0 import Encrypt0
from ownership_vouchers.entry import Entry
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.header import Header
from ownership_vouchers.keys import (
    KeyEncoding,
    PublicKey,
    load_certificate,
    load_spki,
)
from ownership_vouchers.mac0 import Mac0
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.rendezvous import RendezvousInfo, device_addresses
from ownership_vouchers.show import describe
from ownership_vouchers.to2_address import to2_addresses_from_item
from ownership_vouchers.types import Hash
from ownership_vouchers.verify import failed_checks
from ownership_vouchers.voucher import Voucher, decode_hmac
from tests.support.supply_chain import SupplyChain

# CBOR of any shape, so that more than the first byte is looked at.
ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.binary(max_size=40)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.integers() | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)
STEADY = settings(deadline=None)  # a busy machine is no failure
MANY = settings(STEADY, max_examples=200)
BYTES = st.binary(max_size=200) | ITEMS.map(cbor.encode)


@lru_cache(maxsize=8)
def sold(kind: str, encoding: KeyEncoding) -> SupplyChain:
    return SupplyChain(kind, encoding).make_device().sell_to("dealer").sell_to("owner")


def of_item(read: Callable[[object], object]) -> Callable[[bytes], object]:
    return lambda data: read(cbor.decode(data))


DECODERS: dict[str, Callable[[bytes], object]] = {
    "item": cbor.decode,
    "raw sequence": lambda data: cbor.split_sequence(data, 8, 100),
    "array": cbor.split,
    "Sign1": Sign1.from_cbor,
    "Encrypt0": Encrypt0.from_cbor,
    "Mac0": Mac0.from_cbor,
    "PublicKey": PublicKey.from_cbor,
    "SPKI": load_spki,
    "certificate": load_certificate,
    "Hash": of_item(Hash.from_item),
    "HMAC": decode_hmac,
    "RendezvousInfo": lambda data: device_addresses(RendezvousInfo.from_cbor(data)),
    "TO2 addresses": of_item(to2_addresses_from_item),
    "Header": Header.from_cbor,
    "Entry": Entry.from_cbor,
    "Voucher": Voucher.from_cbor,
    "file": load_vouchers,
}


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
@STEADY
@given(data=BYTES)
@example(data=b"")
@example(data=b"\x5b" + b"\xff" * 8)  # a byte string as long as there is no memory
@example(data=b"\x9b" + b"\xff" * 8)
@example(data=b"\x9a\xff\xff\xff\xff")
@example(data=b"\x81" * 5000)
@example(data=b"\xa1\x80\x80")
@example(data=b"\xd8\x1c\x81\xd8\x1d\x00")  # a value that holds itself
def test_no_bytes_escape_the_error_hierarchy(
    decoder: Callable[[bytes], object], data: bytes
) -> None:
    try:
        decoder(data)
    except VoucherError:
        pass  # any other exception type is a bug, and fails here


@STEADY
@given(data=st.binary(max_size=200))
def test_no_pem_escapes_the_error_hierarchy(data: bytes) -> None:
    armoured = b"-----BEGIN OWNERSHIP VOUCHER-----" + data
    for tail in (b"", b"-----END OWNERSHIP VOUCHER-----"):
        try:
            load_vouchers(armoured + tail)
        except VoucherError:
            pass


@STEADY
@given(directives=st.lists(st.dictionaries(st.text(max_size=12), ITEMS), max_size=3))
def test_no_rendezvous_settings_escape_the_error_hierarchy(
    directives: list[dict[str, object]],
) -> None:
    try:
        RendezvousInfo.build(directives)
    except VoucherError:
        pass


KINDS = [
    ("P-256", KeyEncoding.X509),
    ("P-256", KeyEncoding.X5CHAIN),
    ("P-384", KeyEncoding.COSEKEY),
    ("RSA-2048", KeyEncoding.X509),
]


def altered(data: bytes, secret: bytes) -> bool:
    """Say whether the change was seen; nothing but our errors may come out."""
    try:
        voucher = Voucher.from_cbor(data)
        describe(voucher)
        return bool(failed_checks(voucher, hmac_secret=secret))
    except VoucherError:
        return True


def test_no_byte_of_a_voucher_can_be_changed_unseen() -> None:
    chain = sold("P-256", KeyEncoding.X509)
    good = chain.voucher.raw
    assert not altered(good, chain.hmac_secret)
    for position, byte in enumerate(good):
        for change in (0x01, 0x80, 0xFF):
            bent = bytearray(good)
            bent[position] = byte ^ change
            assert altered(bytes(bent), chain.hmac_secret), (position, change)


@pytest.mark.parametrize(("kind", "encoding"), KINDS)
@MANY
@given(data=st.data())
def test_no_single_change_passes_whatever_the_keys(
    kind: str, encoding: KeyEncoding, data: st.DataObject
) -> None:
    chain = sold(kind, encoding)
    good = bytearray(chain.voucher.raw)
    position = data.draw(st.integers(0, len(good) - 1))
    good[position] ^= data.draw(st.integers(1, 255))
    assert altered(bytes(good), chain.hmac_secret)


@MANY
@given(data=st.data())
def test_no_cut_or_filled_voucher_passes(data: st.DataObject) -> None:
    chain = sold("P-256", KeyEncoding.X509)
    good = chain.voucher.raw
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start, len(good)))
    filled = data.draw(st.binary(max_size=8))
    bent = good[:start] + filled + good[end:]
    assert bent == good or altered(bent, chain.hmac_secret)


@MANY
@given(data=st.data())
def test_no_certificate_escapes_the_error_hierarchy(data: st.DataObject) -> None:
    root = sold("P-256", KeyEncoding.X509).device_root
    der = bytearray(root.public_bytes(Encoding.DER))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(der) - 1))
        der[position] = data.draw(st.integers(0, 255))
    try:
        certificate = load_certificate(bytes(der))
        tpm_attributes(certificate)
        hardware_module_name(certificate)
    except VoucherError:
        pass
