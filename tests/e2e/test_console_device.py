"""One device's page: its whole story, in words; and what can be done to it."""

import html
import re
from typing import Any
from uuid import uuid4

import pytest

from onboarding.store.apikeys import Role
from tests.support.console_bench import Console
from tests.support.console_fleet import HOSTILE
from tests.support.visitor import tags_of

pytest_plugins = ["tests.support.console_fixtures"]


def words_of(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def shown(console: Console, guid: object, role: Role = Role.OPERATOR) -> str:
    reply = console.visitor(role).get(f"/devices/{guid}")
    assert reply.status_code == 200, reply.text
    return reply.text


STORY = [
    # voucher and passport
    "Sold to us",
    "signed by the manufacturer's key",
    "the one that was bound",
    # TO0 and TO2
    "http://rv.example.test:8082",
    "TO2.ProveDevice",
    "the device's signature does not verify",
    "told by us",
    "fdo.download",
    # binding
    "tpm-bound",
    "EK passport-trusted",
    "the manufacturer's passport names this EK",
    # what such a board can show of itself
    "pcrs-only Its passport names the board generic-sbc-tpm.",
    "which of the boot's parts is another when a value is another",
    # appraisals and what was compared
    "15 passed",
    "1 failed",
    "pcr:sha256:7",
    "PCR 7 holds another value than the policy allows",
    # release and withdrawal
    "The gate is open until",
    "removal proven",
    "edge 3",
    "the last appraisal failed",
    "ownership.taken",
]


def test_a_device_is_told_from_factory_to_now(console: Console) -> None:
    said = words_of(shown(console, console.fleet.story))
    assert [one for one in STORY if one not in said] == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("registered", "whether the device asked there, only that server knows"),
        ("unbound", "is not bound to a TPM: there is no TPM"),
        ("unbound", "Weaker class: it is not bound to a TPM, so its keys count"),
        ("registered", "It can show nothing yet"),
        ("stale", "last good appraisal is 4 d old, limit 10 min"),
        ("failed", "PCR 7 holds another value than the policy allows"),
        ("withdrawn", "The gate is shut"),
        ("registered", "https://rv2.example.test"),
        ("registered", "failed 3 times: connection refused"),
    ],
)
def test_why_not_is_said_in_words(console: Console, name: str, sentence: str) -> None:
    said = words_of(shown(console, getattr(console.fleet, name)))
    assert sentence in said


def test_the_list_marks_devices_of_the_weaker_class_and_no_other(
    console: Console,
) -> None:
    fleet = console.fleet
    for one, marked in ((fleet.unbound, 1), (fleet.story, 0), (fleet.registered, 0)):
        page = console.visitor(Role.OPERATOR).get("/", params={"q": str(one)}).text
        assert str(one) in page
        assert words_of(page).count("weaker class") == marked


def test_what_a_device_says_of_itself_stays_text(console: Console) -> None:
    page = shown(console, console.fleet.hostile)
    expected = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    assert expected in html.unescape(page)
    assert "\u202e" not in page
    sources = [
        attrs.get("src") for tag, attrs in tags_of(page) if tag in ("img", "script")
    ]
    assert all(one is not None and one.startswith("/assets/") for one in sources)


def test_what_a_device_is_made_of_is_told(console: Console) -> None:
    said = words_of(shown(console, console.fleet.story))
    for one in (
        "Model Edge Board rev B",
        "CPU Cortex-A72 , 4 of them",
        "Memory 7.629 GiB",
        "Firmware Example 1.4 2026-02-01",
        "UEFI, Secure Boot on",
        "TPM IFX SLB9670 , firmware 0007005500112233",
        "mmcblk0 58.24 GiB SD64G solid",
        "sda 3.638 TiB DISK4000 rotates",
        "eth0 02:00:00:00:00:01 bcmgenet",
        "wlan0 — brcmfmac",
    ):
        assert one in said, one
    without = words_of(shown(console, console.fleet.unbound))
    assert "The device has not said what it is made of: its software" in without
    early = words_of(shown(console, console.fleet.registered))
    assert "has not said what it is made of yet: it does so in TO2" in early


def test_an_unknown_device_is_a_page_that_says_so(console: Console) -> None:
    reply = console.visitor(Role.OPERATOR).get(f"/devices/{uuid4()}")
    assert reply.status_code == 404
    assert "There is no device with GUID" in reply.text
    assert reply.headers["content-type"].startswith("text/html")


def test_a_freeze_is_set_and_lifted_with_its_reason(console: Console) -> None:
    visitor, path = console.visitor(Role.SECURITY), f"/devices/{console.fleet.failed}"
    reply = visitor.form(f"{path}/freeze", path, frozen="yes", reason="looked odd")
    assert (reply.status_code, reply.headers["location"]) == (303, path)
    said = words_of(visitor.get(path).text)
    assert "device.frozen" in said
    assert "looked odd" in said
    visitor.form(f"{path}/freeze", path, frozen="no", reason="was nothing")
    assert "device.thawed" in words_of(visitor.get(path).text)


def test_policy_and_manifest_are_chosen_from_lists(console: Console) -> None:
    visitor, path = console.visitor(Role.OPERATOR), f"/devices/{console.fleet.unbound}"
    assert visitor.form(f"{path}/policy", path, policy="boot").status_code == 303
    assert "boot version 2" in words_of(visitor.get(path).text)
    for manifest, said in (
        ("", "Assigned nothing"),
        ("edge@3", "Assigned edge version 3"),
    ):
        reply = visitor.form(f"{path}/manifest", path, manifest=manifest)
        assert reply.status_code == 303
        assert said in words_of(visitor.get(path).text)


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("freeze", {"frozen": "yes"}),
        ("freeze", {"frozen": "yes", "reason": "\x00"}),
        ("withdraw", {"reason": ""}),
        ("withdraw", {"reason": "x" * 257}),
        ("policy", {"policy": "../x"}),
        ("policy", {"policy": "none-such"}),
        ("manifest", {"manifest": "edge@x"}),
        ("manifest", {"manifest": "edge@99"}),
    ],
)
def test_careless_forms_are_refused_in_words(
    console: Console, action: str, fields: dict[str, str]
) -> None:
    visitor, path = console.visitor(Role.OPERATOR), f"/devices/{console.fleet.stale}"
    before = words_of(visitor.get(path).text).count("device.frozen")
    reply = visitor.form(f"{path}/{action}", path, **fields)
    assert reply.status_code in (404, 422)
    assert "<h1>" in reply.text
    assert words_of(visitor.get(path).text).count("device.frozen") == before


@pytest.mark.parametrize("word", [None, "", "x", "of-another-session"])
def test_a_form_from_elsewhere_changes_nothing(
    console: Console, word: str | None
) -> None:
    visitor, path = console.visitor(Role.ADMIN), f"/devices/{console.fleet.released}"
    if word == "of-another-session":
        word = console.visitor(Role.ADMIN).word()
    fields = {"reason": "evil", **({} if word is None else {"csrf": word})}
    reply = visitor.http.post(f"{path}/withdraw", data=fields)
    assert reply.status_code == 403
    assert "evil" not in visitor.get(path).text


def test_a_cohort_and_its_update_are_shown(console: Console) -> None:
    def call(method: str, path: str, **body: object) -> dict[str, Any]:
        reply = console.service.call(
            console.keys[Role.ADMIN], method, path, json=body or None
        )
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    guid, labels = console.fleet.withdrawn, {"ring": "0"}
    call("PUT", f"/devices/{guid}/labels", labels=labels)
    call("PUT", "/cohorts/ring0", labels=labels, policy="boot", version=1)
    seen = call("GET", "/cohorts/ring0")
    assert seen["counts"]["not_seen"] == 1
    call("POST", "/cohorts/ring0/enforce", preview=seen["preview"])
    update = {"version": 2, "image": "ab" * 32, "seconds": 3600}
    assert call("POST", "/cohorts/ring0/update", **update)["windows"] == 1
    said = words_of(shown(console, guid))
    assert "boot version 2 by cohort ring0" in said
    assert "window open version 1 counts as well until" in said
    listed = words_of(console.visitor(Role.OPERATOR).get("/policies").text)
    assert "ring0 enforced boot version 2 ring=0" in listed
    ended = call("DELETE", f"/devices/{guid}/update")
    assert (ended["open"], ended["closed_by"]) == (False, "cancelled")
    assert "from version 1 to 2: cancelled" in words_of(shown(console, guid))
