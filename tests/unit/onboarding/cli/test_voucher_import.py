"""Parts of a file that is imported: none is lost, and passports go along."""

import base64

from onboarding.cli.voucher_import import parts
from ownership_vouchers.pem import dump_pem, load_vouchers, split_vouchers
from tests.support.supply_chain import SupplyChain

CHAIN = SupplyChain()
VOUCHERS = [CHAIN.make_device(f"device {number}").voucher for number in range(5)]


def test_a_pem_file_goes_in_parts_with_the_passports_of_each() -> None:
    blocks = split_vouchers("".join(map(dump_pem, VOUCHERS)).encode())
    passports = {one.guid.raw: f"of {one.guid}".encode() for one in VOUCHERS[1:]}
    found = list(parts(blocks, passports, 2))
    assert [count for count, _ in found] == [2, 2, 1]
    sent = [voucher for _, body in found for voucher in load_vouchers(body)]
    assert sent == VOUCHERS
    for number, one in enumerate(VOUCHERS):
        said = [f"of {one.guid}".encode() in body for _, body in found]
        assert said == [number > 0 and number // 2 == part for part in range(3)]


def test_a_cbor_file_goes_in_parts() -> None:
    blocks = split_vouchers(b"".join(one.raw for one in VOUCHERS))
    bodies = [body for _, body in parts(blocks, {}, 3)]
    assert b"".join(bodies) == b"".join(one.raw for one in VOUCHERS)
    assert len(bodies) == 2


def test_what_cannot_be_read_is_sent_as_it_is() -> None:
    armour = b"-----BEGIN OWNERSHIP VOUCHER-----\n%s\n-----END OWNERSHIP VOUCHER-----"
    blocks = [armour % base64.b64encode(b"no voucher"), dump_pem(VOUCHERS[0]).encode()]
    ((count, body),) = parts(blocks, {})
    assert count == 2
    assert blocks[0] in body
