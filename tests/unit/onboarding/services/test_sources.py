"""Where a request comes from, and whose word on it counts."""

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from onboarding.services.fdo_front import FdoFront
from onboarding.services.sources import asker, bucket_of
from onboarding.services.transport import FdoTransport

PROXIES = (ip_network("10.1.0.0/24"), ip_network("fd00::/64"))


@pytest.mark.parametrize(
    ("peer", "hops", "expected"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # no proxy of ours
        ("127.0.0.1", ["198.51.100.1"], "127.0.0.1"),  # loopback is none by itself
        ("10.1.0.5", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.0.5", ["198.51.100.1", "10.1.0.7"], "198.51.100.1"),
        ("10.1.0.5", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),  # forged in front
        ("10.1.0.5", ["10.1.0.9"], "10.1.0.9"),
        ("::ffff:10.1.0.5", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.1.0.5", [], "10.1.0.5"),
        ("10.1.0.5", [""], "10.1.0.5"),
        ("10.1.0.5", ["198.51.100.1", "unknown"], "10.1.0.5"),
        ("10.1.0.5", ["x" * 5000], "10.1.0.5"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_only_what_a_proxy_of_ours_says_is_believed(
    peer: str, hops: list[str], expected: str
) -> None:
    assert asker(peer, hops, PROXIES) == expected


def test_a_long_way_is_read_from_its_end_only_so_far() -> None:
    assert asker("10.1.0.5", ["198.51.100.1"] + ["10.1.0.6"] * 50, PROXIES) == (
        "10.1.0.6"
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("/run/socket", ""),
    ],
)
def test_who_is_counted_is_an_address_or_a_network(address: str, expected: str) -> None:
    assert bucket_of(address) == expected


@pytest.mark.parametrize("trusted", [(), PROXIES])
def test_behind_the_wrapper_the_client_is_who_asked(trusted: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"])

    async def nothing(*_: Any) -> Any:
        return None

    headers = [
        (b"x-forwarded-for", b"1.1.1.1"),
        (b"X-Other", b"2.2.2.2"),
        (b"x-forwarded-for", b"198.51.100.1, 10.1.0.3"),
    ]
    scope = {
        "type": "http",
        "path": "/",
        "client": ("10.1.0.2", 99),
        "headers": headers,
    }
    asyncio.run(FdoTransport(app, FdoFront({}), trusted)(scope, nothing, nothing))
    assert seen == ([("198.51.100.1", 0)] if trusted else [("10.1.0.2", 99)])
