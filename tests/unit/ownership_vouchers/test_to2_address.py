import pytest

from ownership_vouchers.errors import MalformedError
from ownership_vouchers.to2_address import (
    To2Address,
    TransportProtocol,
    to2_addresses_from_item,
    usable_urls,
)

BOTH = To2Address("192.0.2.1", "owner.example", 8043, TransportProtocol.HTTPS)


def test_an_address_survives_the_wire() -> None:
    assert BOTH.to_item() == [bytes([192, 0, 2, 1]), "owner.example", 8043, 5]
    assert to2_addresses_from_item([BOTH.to_item()]) == (BOTH,)
    six = To2Address("2001:db8::1", None, 80, TransportProtocol.HTTP)
    assert To2Address.from_item(six.to_item()) == six
    assert six.urls == ("http://[2001:db8::1]:80",)


def test_the_name_is_tried_before_the_address() -> None:
    assert BOTH.urls == ("https://owner.example:8043", "https://192.0.2.1:8043")


@pytest.mark.parametrize("protocol", [1, 2, 4, 6])
def test_what_is_not_http_has_no_url(protocol: int) -> None:
    assert To2Address.from_item([None, "owner", 1, protocol]).urls == ()


REFUSED: dict[str, object] = {
    "neither address nor name": [None, None, 80, 3],
    "address of 5 bytes": [bytes(5), None, 80, 3],
    "address in text": ["192.0.2.1", None, 80, 3],
    "name with a slash": [None, "x/y", 80, 3],
    "port over 16 bits": [None, "x", 65536, 3],
    "no port": [None, "x", None, 3],
    "protocol 0": [None, "x", 80, 0],
    "protocol 7": [None, "x", 80, 7],
    "three parts": [None, "x", 80],
}


@pytest.mark.parametrize("item", REFUSED.values(), ids=REFUSED)
def test_another_shape_is_refused(item: object) -> None:
    with pytest.raises(MalformedError):
        to2_addresses_from_item([BOTH.to_item(), item])


def test_there_is_at_least_one_address_and_no_flood() -> None:
    for count in (0, 33):
        with pytest.raises(MalformedError):
            to2_addresses_from_item([BOTH.to_item()] * count)
    assert len(to2_addresses_from_item([BOTH.to_item()] * 32)) == 32


def test_an_address_of_our_own_making_is_checked_too() -> None:
    with pytest.raises(MalformedError):
        To2Address("999.1.1.1", None, 80, TransportProtocol.HTTP)
    with pytest.raises(MalformedError):
        To2Address(None, "a b", 80, TransportProtocol.HTTP)
    with pytest.raises(MalformedError):
        To2Address(None, "a", -1, TransportProtocol.HTTP)


def test_a_device_tries_what_it_can_read_and_each_address_once() -> None:
    found = [BOTH.to_item(), [None, "x", 1], BOTH.to_item(), 5, [None, None, 1, 3]]
    assert usable_urls(found) == BOTH.urls
    assert usable_urls([]) == ()
    with pytest.raises(MalformedError):
        usable_urls([BOTH.to_item()] * 33)
    with pytest.raises(MalformedError):
        usable_urls({})
