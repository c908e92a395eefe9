"""Rendezvous info in both versions of go-fdo-server's JSON, there and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.services.compat.directives import from_v1, from_v2, to_v1, to_v2
from onboarding.services.compat.redirect import from_json, to_json
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.rendezvous import RendezvousInfo

WHOLE_V1: dict[str, Any] = {
    "dns": "rv.example.test",
    "ip": "192.0.2.1",
    "protocol": "coap+tcp",
    "medium": "wifi_all",
    "device_port": "8041",
    "owner_port": "8042",
    "wifi_ssid": "net",
    "wifi_pw": "secret",
    "dev_only": True,
    "owner_only": True,
    "rv_bypass": True,
    "delay_seconds": 0,
    "sv_cert_hash": "ab" * 32,
    "cl_cert_hash": "cd" * 48,
    "user_input": "true",
    "ext_rv": '["mechanism","more"]',
}
WHOLE_OURS: dict[str, Any] = {
    "dns": "rv.example.test",
    "ip": "192.0.2.1",
    "protocol": "coap_tcp",
    "medium": 21,
    "device_port": 8041,
    "owner_port": 8042,
    "wifi_ssid": "net",
    "wifi_pw": "secret",
    "device_only": True,
    "owner_only": True,
    "bypass": True,
    "delay": 0,
    "sv_cert_hash": "sha256:" + "ab" * 32,
    "cl_cert_hash": "sha384:" + "cd" * 48,
    "user_input": True,
    "ext_rv": ["mechanism", "more"],
}


def test_every_instruction_of_version_1_has_its_counterpart() -> None:
    info = from_v1([WHOLE_V1])
    assert info.describe() == [WHOLE_OURS]
    assert to_v1(info) == [WHOLE_V1]


def test_version_1_is_written_in_one_order_whatever_it_came_in() -> None:
    backwards = dict(reversed(WHOLE_V1.items()))
    assert from_v1([backwards]).raw == from_v1([WHOLE_V1]).raw


def test_what_is_empty_in_version_1_says_nothing() -> None:
    empty = {"ip": "", "protocol": "", "rv_bypass": False, "delay_seconds": None}
    assert from_v1([{"dns": "a", **empty}]).describe() == [{"dns": "a"}]


def test_no_input_wanted_is_left_out_and_not_said_to_be_wanted() -> None:
    info = RendezvousInfo.build([{"dns": "a", "user_input": False}])
    assert (to_v1(info), to_v2(info)) == ([{"dns": "a"}], [[{"dns": "a"}]])


def test_version_2_keeps_the_order_it_came_in() -> None:
    said = [[{"owner_port": 1}, {"dns": "a"}, {"rv_bypass": True}]]
    info = from_v2(said)
    assert [list(one) for one in info.describe()] == [["owner_port", "dns", "bypass"]]
    assert to_v2(info) == said


def test_both_versions_tell_the_same_of_all_our_directives() -> None:
    info = RendezvousInfo.build([WHOLE_OURS, {"ip": "2001:db8::1", "protocol": "tls"}])
    assert from_v2(to_v2(info)).describe() == info.describe()
    assert from_v1(to_v1(info)).describe() == info.describe()


BAD_V2: dict[str, Any] = {
    "a port as text": [[{"dns": "a"}, {"owner_port": "1"}]],
    "a port that is a flag": [[{"dns": "a"}, {"owner_port": True}]],
    "port 0": [[{"dns": "a"}, {"owner_port": 0}]],
    "two members at once": [[{"dns": "a", "ip": "192.0.2.1"}]],
    "one instruction twice": [[{"dns": "a"}, {"dns": "b"}]],
    "a flag that is false": [[{"dns": "a"}, {"rv_bypass": False}]],
    "a hash of no known length": [[{"dns": "a"}, {"sv_cert_hash": "abcd"}]],
    "a hash that is no hex": [[{"dns": "a"}, {"sv_cert_hash": "x" * 64}]],
    "half a second": [[{"dns": "a"}, {"delay_seconds": 0.5}]],
    "a name that is none": [[{"dns": "a b"}]],
    "version 1": [{"dns": "a"}],
    "33 directives": [[{"dns": "a"}]] * 33,
}


@pytest.mark.parametrize("name", BAD_V2)
def test_what_version_2_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        from_v2(BAD_V2[name])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*WHOLE_V1, "port", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_escapes_the_error_hierarchy(document: object) -> None:
    for read in (from_v1, from_v2, from_json):
        try:
            read(document)
        except MalformedError:
            pass  # any other exception type is a bug, and fails here


def test_addresses_go_there_and_back() -> None:
    said = [
        {"dns": "owner.example", "ip": "192.0.2.1", "port": "8043", "protocol": "http"},
        {"dns": "", "ip": "2001:db8::1", "port": "443", "protocol": "https"},
    ]
    assert to_json(from_json(said)) == said
    assert to_json(from_json([{**said[0], "port": 8043}])) == said[:1]


@pytest.mark.parametrize(
    "changed",
    [
        {"port": ""},
        {"port": "0"},
        {"port": "٣"},
        {"port": None},
        {"protocol": ""},
        {"protocol": "ftp"},
        {"ip": "", "dns": ""},
        {"ip": 1},
        {"path": "/"},
    ],
    ids=repr,
)
def test_an_address_that_is_none_is_refused(changed: dict[str, object]) -> None:
    good = {"dns": "a", "ip": "192.0.2.1", "port": "1", "protocol": "http"}
    from_json([good])
    with pytest.raises(MalformedError, match=r"to2\[0\]"):
        from_json([{**good, **changed}])
