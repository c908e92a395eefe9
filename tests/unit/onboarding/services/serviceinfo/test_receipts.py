"""Receipts: short, and fit to be shown."""

import json

import pytest

from onboarding.protocol.modules import ModuleResult
from onboarding.services.serviceinfo import receipts

RESULT = ModuleResult(
    "fdo.command",
    ok=False,
    detail="/bin/a ended with exit code 3",
    facts={
        "item": "/bin/a",
        "bytes": 9,
        "exit_code": 3,
        "stdout": b"out\xff\n",
        "stderr": b"",
        "sha384": bytes(48),
        "content": b"elsewhere",
        "binding": b"elsewhere",
        "deep": {"no": 1},
        "files": ["a", 1, "b"],
    },
    required=True,
    accepted=True,
)


def test_a_receipt_tells_what_came_of_a_module() -> None:
    stored = receipts.encode("base@1@00", [RESULT], "message 68", "it failed")
    shown = receipts.shown(stored)
    assert (shown["plan"], shown["stopped_at"]) == ("base@1@00", "message 68")
    assert shown["error"] == "it failed"
    assert shown["modules"] == [
        {
            "position": 0,
            "name": "fdo.command",
            "required": True,
            "offered": True,
            "accepted": True,
            "ok": False,
            "detail": "/bin/a ended with exit code 3",
            "error": "/bin/a ended with exit code 3",
            "file": True,
            "item": "/bin/a",
            "bytes": 9,
            "exit_code": 3,
            "stdout": "out\N{REPLACEMENT CHARACTER}\n",
            "stderr": "",
            "sha384": "00" * 48,
            "files": ["a", "b"],
        }
    ]
    json.dumps(shown)


def test_what_failed_is_named_with_its_reason() -> None:
    good = ModuleResult("fdo.download", True, "1 files written")
    stored = receipts.encode("", [good, RESULT])
    assert receipts.failures(stored) == (("fdo.command", RESULT.detail),)
    assert receipts.failures(b"no receipt") == ()


def test_files_are_kept_apart_by_their_place() -> None:
    bare = ModuleResult("a", True, "")
    assert receipts.contents([bare, RESULT]) == {1: b"elsewhere"}


def test_many_long_outputs_are_cut_to_their_ends() -> None:
    facts = {"stdout": b"x" * 4096 + b"end", "stderr": b"y" * 5000}
    long = ModuleResult("fdo.command", True, "d" * 2000, facts)
    one, many = receipts.encode("", [long]), receipts.encode("", [long] * 64)
    assert len(receipts.shown(one)["modules"][0]["stdout"]) == 4096  # type: ignore[index]
    assert len(many) < 2 * receipts.MAX_RECEIPTS
    assert receipts.shown(many)["modules"][0]["stdout"].endswith("xend")  # type: ignore[index]


@pytest.mark.parametrize("stored", [b"", b"\x80", b"results", b"\x84\x01\x02\x03\x04"])
def test_what_is_no_receipt_is_shown_as_none(stored: bytes) -> None:
    assert receipts.shown(stored)["modules"] == []
