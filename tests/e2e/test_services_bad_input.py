"""Odd input at the management API: every refusal is a problem document."""

import base64
import json
import socket
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.store.apikeys import Role
from tests.support.api_bench import (
    BODIES,
    Api,
    filled,
    is_problem,
    send,
)
from tests.support.supply_chain import SupplyChain

pytest_plugins = ["tests.support.service_fixtures"]

ODD: list[Any] = [
    None,
    True,
    -1,
    2**31,
    2**70,
    1.5,
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "\x1b[2J",
    "x" * 5000,
    "../../etc/passwd",
    [],
    [None],
    [[]],
    {},
    {"": ""},
    {"\x00": "\x00"},
    {"7": [1]},
    [{"path": "/abs", "text": ""}],
    [{"path": "a", "content": "%%%"}],
    [{"dns": "\x00"}],
]


def odd_certificate() -> str:
    """A certificate that says it is of version 10, as PEM."""
    der = SupplyChain().device_root.public_bytes(Encoding.DER)
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
    assert odd != der
    text = base64.encodebytes(odd).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


REFUSALS: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no such route": ("GET", "/nothing", {}, 404, "not-found"),
    "no such device": ("GET", f"/devices/{uuid4()}", {}, 404, "not-found"),
    "no GUID": ("GET", "/devices/none", {}, 422, "invalid-guid"),
    "another method": ("PATCH", "/keys", {}, 405, "method-not-allowed"),
    "no JSON": ("PUT", "/trust", {"content": b"{"}, 422, "invalid"),
    "a field too many": ("PUT", "/trust", {"json": {"x": 1}}, 422, "invalid"),
    "a body too large": (
        "PUT",
        "/trust",
        {"content": b" " * 1_100_000},
        413,
        "body-too-large",
    ),
    "no voucher": ("POST", "/vouchers", {"content": b"x"}, 422, "malformed"),
    "no certificate": (
        "POST",
        "/ek-roots",
        {"content": b"x"},
        422,
        "not-certificates",
    ),
    "a device CA of no known version": (
        "PUT",
        "/trust",
        {"json": {"manufacturers": [], "device_cas_pem": odd_certificate()}},
        422,
        "not-certificates",
    ),
    "a cursor of nobody": ("GET", "/vouchers?cursor=zz", {}, 422, "invalid-cursor"),
    "a limit of nothing": ("GET", "/devices?limit=0", {}, 422, "invalid"),
    "a PCR that proves nothing": (
        "POST",
        "/policies",
        {"json": {"kind": "attestation", "name": "x", "pcrs": {"16": ["ab" * 32]}}},
        422,
        "refused",
    ),
    "an assignment without a version": (
        "PUT",
        f"/devices/{uuid4()}/assignment",
        {"json": {"manifest": "app"}},
        422,
        "version-missing",
    ),
    "a policy that skips a version": (
        "POST",
        "/policies",
        {"json": {**BODIES["POST /policies"], "name": "skips", "version": 9}},
        409,
        "conflict",
    ),
    "a manifest with a path that climbs": (
        "POST",
        "/manifests",
        {
            "json": {
                **BODIES["POST /manifests"],
                "files": [{"path": "../x", "text": ""}],
            }
        },
        422,
        "invalid",
    ),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_a_refusal_is_a_problem_document_with_a_stable_code(
    api: Api, case: str
) -> None:
    method, path, kwargs, status, code = REFUSALS[case]
    reply = api.call(method, path, **kwargs)
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    assert is_problem(reply)


NO_JSON = {
    "not JSON": b"{",
    "too deep": b"[" * 200_000,
    "a member twice": b'{"manufacturers": [], "manufacturers": []}',
    "a member twice, further in": b'{"x": [{"y": {"7": 1, "7": 2}}]}',
    "not UTF-8": b'{"device_cas_pem": "\xff"}',
    "UTF-16": "{}".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "more digits than any number has": b"9" * 5000,
    "no number at all": b"NaN",
    "an endless number": b"-Infinity",
}


@pytest.mark.parametrize("case", list(NO_JSON))
def test_json_that_two_readers_might_read_differently_is_refused(
    api: Api, case: str
) -> None:
    kind = {"Content-Type": "application/json"}
    token = {**kind, "X-API-Key": api.keys[Role.ADMIN]}
    for path, headers in (("/api/v1/trust", token), ("/device/v1/challenge", kind)):
        method = "PUT" if headers is token else "POST"
        reply = api.service.http.request(
            method, path, headers=headers, content=NO_JSON[case]
        )
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid")
        assert is_problem(reply)


@pytest.mark.parametrize("route", list(BODIES))
def test_no_odd_value_in_any_field_is_a_fault_of_ours(api: Api, route: str) -> None:
    good = BODIES[route]
    for name in (*good, "unknown"):
        for odd in ODD:
            body = json.dumps({**good, name: odd}).encode()
            reply = send(api, route, Role.ADMIN, content=body)
            assert reply.status_code < 500, (name, odd, reply.text)
            assert reply.is_success or is_problem(reply), (name, odd, reply.text)
    for odd in ODD:
        reply = send(api, route, Role.ADMIN, content=json.dumps(odd).encode())
        assert 400 <= reply.status_code < 500, (odd, reply.text)


QUERIED = [
    f"GET /{path}"
    for path in (
        "decisions",
        "devices",
        "devices/{guid}",
        "devices/{guid}/appraisals",
        "devices/{guid}/timeline",
        "diagnosis",
        "events",
        "manifests",
        "policies/{name}",
        "sightings",
        "traces",
        "vouchers",
        "vouchers/{guid}",
        "vouchers/{guid}/pem",
    )
]


@pytest.mark.parametrize("route", QUERIED)
def test_no_odd_query_or_path_is_a_fault_of_ours(api: Api, route: str) -> None:
    method, path = filled(route)
    for odd in ("%00", "%ff%fe", "1%3A%00", "zz", "-1", "9" * 40, "a" * 200, "%1f"):
        paths = [path.replace("none", odd)]
        if "{guid}" in route:
            paths.append(route.split(" ")[1].replace("{guid}", odd))
        for query in ("limit", "cursor", "guid", "state", "cause", "serial", "version"):
            paths.append(f"{path}?{query}={odd}")
        for one in paths:
            reply = api.call(method, one)
            assert reply.status_code < 500, (one, reply.text)
            assert reply.is_success or is_problem(reply), (one, reply.text)


def test_a_client_that_leaves_in_the_middle_is_no_error_of_ours(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    port = api.service.http.base_url.port
    head = "POST /device/v1/attest HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode())
    # The next answer comes after the service has seen the first caller leave.
    assert api.call("GET", "/keys").status_code == 200
    errors = [one for one in caplog.records if one.levelname == "ERROR"]
    assert errors == []
