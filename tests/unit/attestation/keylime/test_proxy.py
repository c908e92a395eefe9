"""A device reaches its own push calls through us, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.keylime.proxy import (
    SESSION_LIMIT,
    NotForwarded,
    request_headers,
    route_for,
)

OWN = "d432fbb3-d2f1-4a97-9ef7-75bd81c0000a"
OTHER = "00000000-d2f1-4a97-9ef7-75bd81c0000a"
SESSION = "536579b3-8db3-4734-96b1-21a3c47a9349"
ATTESTATIONS = f"/v3.0/agents/{OWN}/attestations"
ALLOWED = {
    "open a session": ("POST", "/v3.0/sessions"),
    "prove possession": ("PATCH", f"/v3.0/sessions/{SESSION}"),
    "start an attestation": ("POST", ATTESTATIONS),
    "send evidence": ("PATCH", f"{ATTESTATIONS}/latest"),
}
REFUSED = {
    "another device": ("POST", f"/v3.0/agents/{OTHER}/attestations"),
    "its own entry": ("GET", f"/v2.6/agents/{OWN}"),
    "leaving": ("DELETE", f"/v2.6/agents/{OWN}"),
    "enrolling": ("POST", f"/v2.6/agents/{OWN}"),
    "evidence call": ("POST", "/v2.6/verify/evidence"),
    "verdict": ("GET", f"{ATTESTATIONS}/latest"),
    "an older attestation": ("PATCH", f"{ATTESTATIONS}/0"),
    "escaped slash": ("POST", f"/v3.0/agents/{OTHER}%2f..%2f{OWN}/attestations"),
    "escaped letter": ("POST", "/v3.0/%73essions"),
    "dot segment": ("POST", f"/v3.0/agents/{OTHER}/../{OWN}/attestations"),
    "query": ("POST", f"{ATTESTATIONS}?agent_id={OTHER}"),
    "query on a session": ("PATCH", f"/v3.0/sessions/{SESSION}?agent_id={OTHER}"),
    "fragment": ("POST", "/v3.0/sessions#"),
    "trailing slash": ("POST", "/v3.0/sessions/"),
    "double slash": ("POST", "//v3.0/sessions"),
    "line end": ("PATCH", f"/v3.0/sessions/{SESSION}\n"),
    "upper case": ("POST", "/V3.0/sessions"),
    "dot as any character": ("POST", "/v3x0/sessions"),
    "other version": ("POST", "/v3.1/sessions"),
    "absolute form": ("POST", "https://elsewhere/v3.0/sessions"),
    "lower case method": ("post", "/v3.0/sessions"),
    "wrong method": ("GET", "/v3.0/sessions"),
    "empty": ("POST", ""),
}
BODIES = {
    "another device": {"data": {"attributes": {"agent_id": OTHER}}},
    "no device": {"data": {"attributes": {}}},
    "id at the wrong place": {"agent_id": OWN},
    "no object": [OWN],
    "attributes no object": {"data": {"attributes": OWN}},
}
RAW_BODIES = {
    "not JSON": b"agent_id=" + OWN.encode(),
    "named twice": json.dumps({"data": {"attributes": {"agent_id": OWN}}})
    .replace("{}", "")
    .replace('"agent_id"', f'"agent_id": "{OTHER}", "agent_id"')
    .encode(),
    "utf-16": json.dumps({"data": {"attributes": {"agent_id": OWN}}}).encode("utf-16"),
    "too deep": b"[" * 9000,
    "too long": b" " * (SESSION_LIMIT + 1),
}


def body_naming(agent_id: str) -> bytes:
    return json.dumps({"data": {"attributes": {"agent_id": agent_id}}}).encode()


@pytest.mark.parametrize(("method", "path"), ALLOWED.values(), ids=ALLOWED.keys())
def test_a_device_may_make_its_own_push_calls(method: str, path: str) -> None:
    route = route_for(method, path, OWN)
    assert (route.method, route.path) == (method, path)
    route.check(body_naming(OWN))


@pytest.mark.parametrize(("method", "path"), REFUSED.values(), ids=REFUSED.keys())
def test_a_device_may_make_no_other_call(method: str, path: str) -> None:
    with pytest.raises(NotForwarded):
        route_for(method, path, OWN)


@pytest.mark.parametrize("case", ["open a session", "prove possession"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_session_for_anyone_else_is_refused(case: str, body: object) -> None:
    with pytest.raises(NotForwarded):
        route_for(*ALLOWED[case], OWN).check(json.dumps(body).encode())


@pytest.mark.parametrize("body", RAW_BODIES.values(), ids=RAW_BODIES.keys())
def test_a_session_body_that_could_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(NotForwarded):
        route_for("POST", "/v3.0/sessions", OWN).check(body)


def test_evidence_is_bounded() -> None:
    route = route_for("PATCH", f"{ATTESTATIONS}/latest", OWN)
    route.check(bytes(route.body_limit))
    with pytest.raises(NotForwarded, match="longer"):
        route.check(bytes(route.body_limit + 1))


def test_only_the_bearer_token_of_a_devices_headers_goes_on() -> None:
    headers = request_headers(
        {"authorization": "Bearer a.b-c", "cookie": "x", "x-forwarded-for": "y"}
    )
    assert headers["Authorization"] == "Bearer a.b-c"
    assert sorted(headers) == ["Accept", "Authorization", "Content-Type"]


@pytest.mark.parametrize("value", ["Basic eDp5", "Bearer a\r\nX: y", "Bearer ", ""])
def test_another_kind_of_authorization_is_refused(value: str) -> None:
    with pytest.raises(NotForwarded, match="bearer"):
        request_headers({"authorization": value})


@given(st.sampled_from(["POST", "PATCH"]), st.text(), st.binary())
def test_no_other_text_is_a_path_and_no_octets_escape_our_error(
    method: str, path: str, body: bytes
) -> None:
    with pytest.raises(NotForwarded):
        route_for(method, path, OWN)
    with pytest.raises(NotForwarded):
        route_for("POST", "/v3.0/sessions", OWN).check(body)
