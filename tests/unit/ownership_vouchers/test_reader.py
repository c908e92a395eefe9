"""A voucher file that arrives in pieces is cut as one that is whole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownership_vouchers.errors import CheckFailed, MalformedError, VoucherError
from ownership_vouchers.pem import BEGIN, END, dump_pem, split_vouchers
from ownership_vouchers.reader import Cut, VoucherReader
from tests.support.supply_chain import SupplyChain

CHAIN = SupplyChain()
VOUCHERS = [CHAIN.make_device(f"device {number}").voucher for number in range(4)]
PEM = "\r\nsome words\n".join(["", *map(dump_pem, VOUCHERS), "the end"]).encode()
CBOR = b"".join(one.raw for one in VOUCHERS)


def cuts(pieces: list[bytes], limit: int = 100) -> list[Cut]:
    reader = VoucherReader(limit)
    found = [cut for piece in pieces for cut in reader.feed(piece)]
    return [*found, reader.end()]


def pieces_of(data: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(one % (len(data) + 1) for one in places), len(data)]
    return [data[a:b] for a, b in pairwise(ends)]


@given(st.sampled_from([PEM, CBOR]), st.lists(st.integers(0, 2**16), max_size=12))
def test_it_is_cut_alike_wherever_its_pieces_end(
    data: bytes, places: list[int]
) -> None:
    found = cuts(pieces_of(data, places))
    assert [one.block for one in found[:-1]] == split_vouchers(data)
    assert found[-1].block is None


def test_nothing_of_the_text_between_vouchers_is_lost() -> None:
    found = cuts([bytes([one]) for one in PEM])
    assert b"".join(one.text + (one.block or b"") for one in found) == PEM


def test_long_text_is_let_go_of_but_no_block_in_it_is_torn() -> None:
    block = b"-----BEGIN OF ANOTHER KIND-----\nx\n-----END OF ANOTHER KIND-----\n"
    text = block * 3000
    reader = VoucherReader()
    found = [
        cut
        for at in range(0, len(text), 999)
        for cut in reader.feed(text[at : at + 999])
    ]
    assert len(found) > 1
    assert all(one.text.startswith(b"-----BEGIN") for one in found)
    more = list(reader.feed(PEM))
    whole = b"".join(one.text for one in [*found, more[0]])
    assert whole.count(block) == 3000


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedError),
        (b"no voucher", MalformedError),
        (BEGIN + b"\nAAAA\n", MalformedError),
        (BEGIN + b"\nAAAA\n" + dump_pem(VOUCHERS[0]).encode(), MalformedError),
        (CBOR[:-1], MalformedError),
        (CBOR + b"\x85\xff", MalformedError),
        (b"\x85" + b"\x9b" + b"\xff" * 8, MalformedError),
        ((BEGIN + END) * 101, CheckFailed),
    ],
)
def test_what_has_no_end_or_no_bound_is_refused(
    data: bytes, error: type[VoucherError]
) -> None:
    cuts([PEM[:5000], PEM[5000:]])  # passes unaltered
    with pytest.raises(error):
        cuts([data])


def fed(reader: VoucherReader, data: bytes) -> list[Cut]:
    parts = (data[at : at + 999] for at in range(0, len(data), 999))
    return [cut for part in parts for cut in reader.feed(part)]


ENDLESS = {
    "PEM": BEGIN + b"A" * 2**22,
    "CBOR": b"\x85\x5a\x7f\xff\xff\xff" + bytes(2**21),
}


@pytest.mark.parametrize("form", ENDLESS)
def test_a_voucher_without_an_end_is_not_waited_for(form: str) -> None:
    with pytest.raises((CheckFailed, MalformedError), match="over 1048576 bytes"):
        fed(VoucherReader(), ENDLESS[form])


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_give_cuts_or_our_own_error(pieces: list[bytes]) -> None:
    try:
        cuts(pieces)
    except VoucherError:
        return
