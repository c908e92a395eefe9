"""Vouchers at the console: brought in as files and as text, listed, given out."""

import json
from typing import Any
from uuid import uuid4

import pytest

from onboarding.store.apikeys import Role
from ownership_vouchers.pem import load_vouchers
from tests.support.console_bench import Console
from tests.support.sold_vouchers import sold_to, strange
from tests.support.visitor import Visitor

pytest_plugins = ["tests.support.console_fixtures"]


def upload(visitor: Visitor, content: str | bytes, **headers: str) -> Any:
    said = {"X-CSRF-Token": visitor.word("/vouchers"), **headers}
    return visitor.http.post("/vouchers/import", content=content, headers=said)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_is_imported_and_each_voucher_is_told_of(console: Console) -> None:
    first, second = sold_to(console.site, 2)
    visitor = console.visitor(Role.OPERATOR)
    reply = upload(visitor, first + strange() + second + first)
    assert reply.headers["content-type"] == "application/x-ndjson"
    total, *items, counts = lines_of(reply.text)
    assert total == {"total": 4}
    assert [one["item"]["status"] for one in items] == [
        "imported",
        "refused",
        "imported",
        "unchanged",
    ]
    assert items[1]["item"]["code"] == "owner_key"
    assert counts == {
        "counts": {"imported": 2, "extended": 0, "unchanged": 1, "refused": 1}
    }
    (voucher,) = load_vouchers(second.encode())
    assert visitor.get(f"/vouchers/{voucher.guid}").status_code == 200


def test_what_is_no_voucher_is_refused_to_a_script_in_json(console: Console) -> None:
    for content in (b"", b"\xff" * 100, b"-----BEGIN OWNERSHIP VOUCHER-----"):
        reply = upload(console.visitor(Role.OPERATOR), content)
        assert reply.status_code == 422
        assert reply.json()["code"] == "malformed"


@pytest.mark.parametrize("word", [None, "", "x"])
def test_a_file_from_another_page_is_not_even_read(
    console: Console, word: str | None
) -> None:
    visitor = console.visitor(Role.OPERATOR)
    headers = {} if word is None else {"X-CSRF-Token": word}
    reply = visitor.http.post("/vouchers/import", content=b"x", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "form-expired")


def test_a_file_without_a_session_is_refused(console: Console) -> None:
    reply = console.visitor().http.post("/vouchers/import", content=b"x")
    assert (reply.status_code, reply.json()["code"]) == (401, "not-logged-in")


def test_a_file_over_the_limit_is_refused(console: Console) -> None:
    reply = upload(console.visitor(Role.OPERATOR), b"x" * (16 * 1024 * 1024 + 1))
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("role", [Role.SECURITY, Role.MANUFACTURER])
def test_only_operators_import(console: Console, role: Role) -> None:
    visitor = console.visitor(role)
    assert "data-import" not in visitor.get("/vouchers").text
    reply = upload(visitor, sold_to(console.site, 1)[0])
    assert (reply.status_code, reply.json()["code"]) == (403, "role-refused")


def test_pasted_text_is_imported_and_told_of_on_a_page(console: Console) -> None:
    visitor = console.visitor(Role.OPERATOR)
    (good,) = sold_to(console.site, 1)
    pasted = (good + strange()).replace("\n", "\r\n")  # as browsers send lines
    reply = visitor.form("/vouchers/paste", "/vouchers", pem=pasted)
    assert reply.status_code == 200
    assert "1 imported" in reply.text
    assert "1 refused" in reply.text
    (voucher,) = load_vouchers(good.encode())
    assert f'href="/vouchers/{voucher.guid}"' in reply.text
    nonsense = visitor.form("/vouchers/paste", "/vouchers", pem="hello")
    assert nonsense.status_code == 422
    assert "<h1>" in nonsense.text


def test_a_manufacturer_sees_vouchers_and_is_led_there(console: Console) -> None:
    visitor = console.visitor(Role.MANUFACTURER)
    assert visitor.get("/").headers["location"] == "/vouchers"
    page = visitor.get(f"/vouchers/{console.fleet.story}")
    assert page.status_code == 200
    assert "/devices/" not in page.text


def test_vouchers_are_found_by_serial_number_and_by_guid(console: Console) -> None:
    visitor = console.visitor(Role.OPERATOR)
    page = visitor.get("/vouchers", params={"q": "SBC-0004"}).text
    assert str(console.fleet.registered) in page
    assert str(console.fleet.story) not in page
    for text in (str(console.fleet.story), console.fleet.story.raw.hex()):
        reply = visitor.get("/vouchers", params={"q": f" {text} "})
        assert reply.headers["location"] == f"/vouchers/{console.fleet.story}"


def test_a_voucher_is_given_out_with_its_passport(console: Console) -> None:
    visitor = console.visitor(Role.OPERATOR)
    reply = visitor.get(f"/vouchers/{console.fleet.story}/pem")
    (voucher,) = load_vouchers(reply.content)
    assert voucher.guid == console.fleet.story
    assert "VOUCHGATE PASSPORT" in reply.text
    named = f'attachment; filename="{console.fleet.story}.pem"'
    assert reply.headers["content-disposition"] == named
    assert visitor.get(f"/vouchers/{uuid4()}/pem").status_code == 404
