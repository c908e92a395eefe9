import json

import pytest

from ownership_vouchers.keys import KeyEncoding
from ownership_vouchers.show import describe, describe_certificate
from ownership_vouchers.voucher import Voucher
from tests.support.forgeries import Build, every_case
from tests.support.supply_chain import KINDS, SupplyChain
from tests.support.workshop import Workshop

SHOWN = {
    name: build
    for name, (verdict, build) in every_case().items()
    if verdict not in ("malformed", "unsupported_key", "limits")
}


def test_a_voucher_is_described_in_full() -> None:
    chain = SupplyChain(
        rendezvous=[{"dns": "rv.example.test", "wifi_pw": "secret"}]
    ).make_device("board-1")
    chain.sell_to("dealer").sell_to("owner")
    shown = describe(chain.voucher)
    assert shown["guid"] == str(chain.guid)
    assert shown["device_info"] == "board-1"
    assert shown["rendezvous"] == [{"dns": "rv.example.test", "wifi_pw": "(set)"}]
    assert shown["owner_key"] == {
        "type": "SECP256R1",
        "encoding": "X509",
        "algorithm": "ES256",
        "fingerprint": chain.owner.public_key.fingerprint(),
    }
    text = json.dumps(shown)
    assert "secret" not in text
    assert chain.parties["dealer"].public_key.fingerprint() in text
    assert "CN=device ca" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_says_whether_it_holds(kind: str) -> None:
    voucher = SupplyChain(kind, KeyEncoding.X5CHAIN).make_device().voucher
    key = describe(voucher)["manufacturer_key"]
    assert isinstance(key, dict)
    assert key["chain"] == ["CN=manufacturer", "CN=manufacturer root"]
    assert key["chain_holds"] is True


def test_a_chain_that_does_not_hold_says_so() -> None:
    shop = Workshop()
    mixed = [shop.owner_chain()[0], shop.root_der()]
    voucher = Voucher.from_cbor(shop.last_key(10, 2, mixed))
    key = describe(voucher)["owner_key"]
    assert isinstance(key, dict)
    assert key["chain_holds"] is False


@pytest.mark.parametrize("build", SHOWN.values(), ids=SHOWN)
def test_a_voucher_that_does_not_hold_is_shown_all_the_same(build: Build) -> None:
    assert json.dumps(describe(Voucher.from_cbor(build(Workshop()))))


def test_an_unreadable_certificate_is_shown_as_such() -> None:
    assert describe_certificate(b"x") == {"error": "not a DER certificate"}
