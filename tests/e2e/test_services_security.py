"""What the API answers a security team, and words that devices are looked for by."""

from typing import Any

import pytest

from onboarding.store.apikeys import Role
from tests.support.console_bench import Console

pytest_plugins = ["tests.support.console_fixtures"]


def asked(console: Console, path: str) -> dict[str, Any]:
    reply = console.service.call(console.keys[Role.SECURITY], "GET", path)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_the_overview_counts_what_is_owned_and_what_it_rests_on(
    console: Console,
) -> None:
    found = asked(console, "/security")
    assert found["owned"] == 6
    assert (found["unbound"], found["unproven_removals"]) == (1, 1)
    (trusted,) = found["classes"]
    assert (trusted["ek_class"], trusted["class"]) == ("passport-trusted", "tpm-bound")
    assert (found["keylime"], found["insecure"]) == ("not configured", [])
    assert found["states"]["retired"] == 1


def test_what_is_not_attested_is_told_page_by_page(console: Console) -> None:
    whole = asked(console, "/unattested")
    assert whole["next"] is None
    first = asked(console, "/unattested?limit=2")
    rest = asked(console, f"/unattested?cursor={first['next']}")
    assert first["items"] + rest["items"] == whole["items"]
    serials = [one["serial"] for one in whole["items"]]
    assert serials == ["OLD-0001", "SBC-0003", "SBC-0005", "SBC-0002"]


@pytest.mark.parametrize(
    ("query", "serials"),
    [
        ("q=srv-", ["SRV-0001"]),
        ("q=0001&state=owned", ["OLD-0001"]),
        ("q=site%3DZ%C3%BCrich&state=stale", ["SBC-0003"]),
        ("q=site%3DOslo", []),  # other tests move devices, none of them there
        ("q=rack+server", ["SRV-0001"]),
    ],
)
def test_devices_are_found_by_words_and_labels(
    console: Console, query: str, serials: list[str]
) -> None:
    items = asked(console, f"/devices?{query}")["items"]
    assert [one["serial"] for one in items] == serials
