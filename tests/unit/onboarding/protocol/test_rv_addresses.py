"""Which addresses the instructions of one directive make, for a device.

Source: FDO 1.1, sections 3.3.6 and 3.7.
"""

import pytest

from onboarding.protocol.rv_plan import (
    plan,
)
from ownership_vouchers import cbor
from ownership_vouchers.rv_values import RvVariable as V
from tests.support.rv_told import IP4, directive, info, told

ADDRESSES: dict[str, tuple[list[list[object]], list[str]]] = {
    "a name": (directive(DNS="rv.example"), ["https://rv.example:443"]),
    "an address": ([[int(V.IP), IP4]], ["https://192.0.2.1:443"]),
    "the name first, wherever it stands": (
        [[int(V.IP), IP4], *directive(DNS="rv.example")],
        ["https://rv.example:443", "https://192.0.2.1:443"],
    ),
    "an IPv6 address": (
        directive(IP=bytes.fromhex("20010db8") + bytes(11) + b"\1"),
        ["https://[2001:db8::1]:443"],
    ),
    "an IPv4 address in 16 bytes": (
        directive(IP=bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])),
        ["https://192.0.2.1:443"],
    ),
    "HTTP": (directive(DNS="rv", PROTOCOL=1), ["http://rv:80"]),
    "HTTPS": (directive(DNS="rv", PROTOCOL=2), ["https://rv:443"]),
    "REST is the device's choice": (
        directive(DNS="rv", PROTOCOL=0),
        ["https://rv:443"],
    ),
    "the device's port, not the owner's": (
        directive(DNS="rv", PROTOCOL=1, DEVICE_PORT=8040, OWNER_PORT=8041),
        ["http://rv:8040"],
    ),
    "the owner's port alone": (
        directive(DNS="rv", PROTOCOL=1, OWNER_PORT=8041),
        ["http://rv:80"],
    ),
    "what a device without a screen or radio cannot use": (
        directive(DNS="rv", USER_INPUT=False, MEDIUM=20, WIFI_SSID="x", WIFI_PW="y"),
        ["https://rv:443"],
    ),
    "variables that nobody knows": (
        [*directive(DNS="rv"), [16, b"\x01"], [200], [255, b"\xff"]],
        ["https://rv:443"],
    ),
    "a port that cannot be read": (
        [*directive(DNS="rv"), [int(V.DEVICE_PORT), cbor.encode("80")]],
        ["https://rv:443"],
    ),
    "a protocol that cannot be read": (
        [*directive(DNS="rv"), [int(V.PROTOCOL), cbor.encode("http")]],
        ["https://rv:443"],
    ),
    "a name that cannot be read": (
        [[int(V.DNS), b"\xff"], [int(V.IP), IP4]],
        ["https://192.0.2.1:443"],
    ),
    "a name that is none": (
        [*directive(DNS="rv.example/x?"), [int(V.IP), IP4]],
        ["https://192.0.2.1:443"],
    ),
    "an address of 5 bytes": (
        [[int(V.IP), cbor.encode(bytes(5))], *directive(DNS="rv")],
        ["https://rv:443"],
    ),
    "a flag with a value": (
        [*directive(DNS="rv"), [int(V.DEVICE_ONLY), b""]],
        ["https://rv:443"],
    ),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_instructions_make_these_addresses(name: str) -> None:
    instructions, urls = ADDRESSES[name]
    assert told(*plan([info(instructions)])) == [urls, 120]
    assert told(*plan([info(instructions[::-1])])) == [urls, 120]  # it is a set
