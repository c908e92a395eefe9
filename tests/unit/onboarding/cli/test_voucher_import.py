"""Parts of a file that is imported: none is lost, and passports go along."""

import base64

from onboarding.cli.voucher_import import parts
from ownership_vouchers.pem import dump_pem, load_vouchers, split_vouchers
from tests.support.supply_chain import SupplyChain

CHAIN = SupplyChain()
VOUCHERS = [CHAIN.make_device(f"device {number}").voucher for number in range(5)]


def test_a_pem_file_goes_in_parts_each_voucher_before_its_passport() -> None:
    blocks = split_vouchers("".join(map(dump_pem, VOUCHERS)).encode())
    passports = {one.guid.raw: f"of {one.guid}\n".encode() for one in VOUCHERS[1:]}
    found = list(parts(blocks, passports, 2))
    assert [len(part) for part in found] == [2, 2, 1]
    assert load_vouchers(b"".join(b"".join(part) for part in found)) == VOUCHERS
    sent = [one for part in found for one in part]
    for voucher, one in zip(VOUCHERS, sent, strict=True):
        assert load_vouchers(one) == [voucher]
        assert (f"of {voucher.guid}".encode() in one) == (voucher is not VOUCHERS[0])


def test_a_cbor_file_goes_in_parts() -> None:
    blocks = split_vouchers(b"".join(one.raw for one in VOUCHERS))
    bodies = [b"".join(part) for part in parts(blocks, {}, 3)]
    assert b"".join(bodies) == b"".join(one.raw for one in VOUCHERS)
    assert len(bodies) == 2


def test_what_cannot_be_read_is_sent_as_it_is() -> None:
    armour = b"-----BEGIN OWNERSHIP VOUCHER-----\n%s\n-----END OWNERSHIP VOUCHER-----"
    blocks = [armour % base64.b64encode(b"no voucher"), dump_pem(VOUCHERS[0]).encode()]
    ((first, second),) = parts(blocks, {})
    assert blocks[0] in first
    assert blocks[1] in second
