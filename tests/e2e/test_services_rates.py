"""A service that is asked too often says so, to each in its own way."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.device.fdo_run import drive
from onboarding.device.http import FdoChannel
from onboarding.protocol.device_env import DeviceCredential
from onboarding.protocol.di_device import DiDevice
from onboarding.store.apikeys import Role
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import ErrorCode
from tests.support.api_bench import Api, is_problem, started
from tests.support.databases import NewDatabase
from tests.support.services import Site
from tests.support.soft_device import SoftDevice

SLOW = 0.001  # a second: no bucket fills again while a test runs
HELLO = "/fdo/101/msg/30"


@pytest.fixture
def slow(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    yield from started(
        Site(tmp_path_factory.mktemp("slow"), databases=databases),
        fdo_rate=SLOW,
        fdo_burst=2,
        api_source_rate=SLOW,
        api_source_burst=7,
        api_key_rate=SLOW,
        api_key_burst=2,
        trusted_proxies=("127.0.0.0/8",),
    )


def test_a_key_that_comes_too_often_is_told_when_to_come_again(slow: Api) -> None:
    said = [slow.call("GET", "/keys").status_code for _ in range(3)]
    assert said == [200, 200, 429]
    reply = slow.call("GET", "/keys")
    assert is_problem(reply)
    assert reply.json()["code"] == "too-many-requests"
    assert 1 <= int(reply.headers["retry-after"]) <= 1000
    assert slow.call("GET", "/keys", Role.OPERATOR).status_code == 200


def test_an_address_is_counted_whatever_it_asks_and_with_whatever_key(
    slow: Api,
) -> None:
    http = slow.service.http
    said = [http.get(f"/api/v1/keys?{number}").status_code for number in range(6)]
    assert said == [401] * 6
    assert http.get("/nowhere").status_code == 404
    assert is_problem(reply := http.get("/api/v1/keys"))
    assert (reply.status_code, reply.json()["code"]) == (429, "too-many-requests")
    assert http.get("/healthz").status_code == 200
    elsewhere = {"X-Forwarded-For": "1.1.1.1, 198.51.100.7"}
    assert http.get("/api/v1/keys", headers=elsewhere).status_code == 401


def test_fdo_is_counted_apart_and_told_in_a_message_255(slow: Api) -> None:
    http = slow.service.http
    for _ in range(2):
        assert http.post(HELLO, content=b"\x80").status_code == 500
    reply = http.post(HELLO, content=b"\x80")
    assert (reply.status_code, reply.headers["message-type"]) == (500, "255")
    assert int(reply.headers["retry-after"]) >= 1
    told = ErrorMessage.from_cbor(reply.content)
    assert told.code == ErrorCode.INTERNAL_SERVER_ERROR
    assert told.previous == 30
    assert "too many messages" in told.text
    assert slow.call("GET", "/keys").status_code == 200
    counted = http.get("/metrics").text
    assert 'code="500"' in counted


def test_a_device_that_comes_too_often_is_made_all_the_same_only_later(
    tmp_path: Path, databases: NewDatabase
) -> None:
    """Two messages of DI, where there is room for one a second."""
    for site in started(Site(tmp_path, databases=databases), fdo_rate=1, fdo_burst=1):
        directives = [{"ip": "127.0.0.1", "device_port": 1, "protocol": "http"}]
        site.call("PUT", "/rvinfo", json={"directives": directives})
        waits: list[float] = []

        def sleep(seconds: float, waits: list[float] = waits) -> None:
            waits.append(seconds)
            time.sleep(seconds)

        channel = FdoChannel(site.service.http, site.service.url, sleep=sleep)
        made: DeviceCredential = drive(channel, DiDevice(SoftDevice.di_env()))
        assert site.call("GET", f"/vouchers/{made.guid}").status_code == 200
        assert waits


def test_a_key_shows_when_it_was_last_used(slow: Api) -> None:
    keys = slow.call("GET", "/apikeys").json()["items"]
    used = {one["role"]: one["last_used_at"] for one in keys}
    assert used["operator"] is None
    assert used["admin"] >= 1_700_000_000
