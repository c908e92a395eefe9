"""Passports in voucher files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.services import passport_pem
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.pem import dump_pem, load_vouchers
from tests.support.supply_chain import SupplyChain


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=4))
def test_what_is_written_is_read_back(passports: list[bytes]) -> None:
    text = "words\r\n".join(passport_pem.dump(one) for one in passports)
    assert passport_pem.load(text.encode()) == passports


def test_line_ends_do_not_matter() -> None:
    text = passport_pem.dump(b"p" * 100).replace("\n", "\r\n")
    assert passport_pem.load(text.encode()) == [b"p" * 100]


def test_a_reader_of_vouchers_passes_over_passports() -> None:
    voucher = SupplyChain().make_device().sell_to("owner").voucher
    text = dump_pem(voucher) + passport_pem.dump(b"p" * 100) + dump_pem(voucher)
    assert [one.raw for one in load_vouchers(text.encode())] == [voucher.raw] * 2
    assert passport_pem.load(text.encode()) == [b"p" * 100]


def test_a_block_that_is_not_base64_is_malformed() -> None:
    text = passport_pem.dump(b"p" * 100).replace("cHBw", "cHB", 1)
    with pytest.raises(MalformedError):
        passport_pem.load(text.encode())


@given(st.binary())
def test_no_bytes_escape_the_error_hierarchy(data: bytes) -> None:
    block = b"-----BEGIN VOUCHGATE PASSPORT-----" + data
    try:
        passport_pem.load(block + b"-----END VOUCHGATE PASSPORT-----")
    except MalformedError:
        pass
