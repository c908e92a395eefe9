import base64

import pytest

from ownership_vouchers.errors import Check, CheckFailed, MalformedError
from ownership_vouchers.pem import (
    MAX_FILE,
    dump_pem,
    load_voucher,
    load_vouchers,
    split_vouchers,
)
from tests.support.supply_chain import SupplyChain

ONE = SupplyChain().make_device().sell_to("owner").voucher
TWO = SupplyChain().make_device().sell_to("owner").voucher
PEM = dump_pem(ONE)

FILES: dict[str, bytes] = {
    "two blocks": (PEM + dump_pem(TWO)).encode(),
    "windows lines": (PEM + dump_pem(TWO)).replace("\n", "\r\n").encode(),
    "text around": f"Subject: hi\n\n{PEM}between\n{dump_pem(TWO)}\nend".encode(),
    "no newline at the end": (PEM + dump_pem(TWO).rstrip("\n")).encode(),
    "one long line": b"".join(
        b"-----BEGIN OWNERSHIP VOUCHER-----\n"
        + base64.b64encode(voucher.raw)
        + b"\n-----END OWNERSHIP VOUCHER-----\n"
        for voucher in (ONE, TWO)
    ),
    "CBOR": ONE.raw + TWO.raw,
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_file_may_hold_several_vouchers(data: bytes) -> None:
    assert load_vouchers(data) == [ONE, TWO]


def test_a_block_has_lines_of_64_columns() -> None:
    lines = PEM.splitlines()
    assert lines[0] == "-----BEGIN OWNERSHIP VOUCHER-----"
    assert lines[-1] == "-----END OWNERSHIP VOUCHER-----"
    assert {len(line) for line in lines[1:-2]} == {64}
    assert PEM.endswith("-----\n")


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello, world",
    "another block": PEM.replace("OWNERSHIP VOUCHER", "CERTIFICATE").encode(),
    "no end": PEM.rpartition("-----END")[0].encode(),
    "empty block": b"-----BEGIN OWNERSHIP VOUCHER----------END OWNERSHIP VOUCHER-----",
    "not base64": PEM.replace("A", "*").encode(),
    "a letter too many": PEM.replace("\n-----END", "A\n-----END").encode(),
    "block cut short": (PEM[:200] + "\n-----END OWNERSHIP VOUCHER-----").encode(),
    "one good, one cut": ONE.raw + TWO.raw[:-1],
    "CBOR with a newline": ONE.raw + b"\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_no_voucher_file_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        load_vouchers(data)


def test_good_vouchers_can_be_taken_from_a_file_with_a_bad_one() -> None:
    bad = PEM.replace("A", "*")
    first, second = split_vouchers((bad + dump_pem(TWO)).encode())
    with pytest.raises(MalformedError):
        load_voucher(first)
    assert load_voucher(second) == TWO


@pytest.mark.parametrize("data", [FILES["two blocks"], FILES["CBOR"]])
def test_no_more_vouchers_are_read_than_allowed(data: bytes) -> None:
    assert len(split_vouchers(data, limit=2)) == 2
    with pytest.raises(CheckFailed) as caught:
        split_vouchers(data, limit=1)
    assert caught.value.check is Check.LIMITS


def test_a_block_over_the_limit_is_not_even_decoded() -> None:
    body = base64.b64encode(bytes(2_000_000))
    block = b"-----BEGIN OWNERSHIP VOUCHER-----" + body
    with pytest.raises(CheckFailed) as caught:
        load_vouchers(block + b"-----END OWNERSHIP VOUCHER-----")
    assert caught.value.check is Check.LIMITS


def test_an_item_over_the_limit_is_not_decoded_to_its_end() -> None:
    with pytest.raises(MalformedError):
        load_vouchers(b"\x9a\x00\x10\x00\x00" + b"\x80" * 0x100000)


def test_a_file_over_the_limit_is_refused() -> None:
    with pytest.raises(CheckFailed, match="file over"):
        load_vouchers(bytes(MAX_FILE + 1))
