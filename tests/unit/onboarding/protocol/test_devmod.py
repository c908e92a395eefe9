"""devmod in the forms that peers send it in."""

import pytest

from onboarding.protocol.devmod import Devmod, announce
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from tests.support.fdo_roles import FACTS


def said(*pairs: tuple[str, object]) -> list[Message]:
    return [(name, cbor.encode(value)) for name, value in pairs]


def test_what_we_announce_is_complete_and_comes_back() -> None:
    kvs = announce(FACTS, ("a", "b"))
    messages = [(key.partition(":")[2], value) for key, value in kvs]
    facts = Devmod().take(messages, last=False)
    assert facts.complete
    assert facts.modules == ("a", "b")
    assert facts.facts()["device"] == "test-board"
    assert Devmod.from_cbor(facts.encode()) == facts


def test_modules_may_come_one_by_one_from_a_start_that_stands_still() -> None:
    facts = Devmod().take(said(("nummodules", 2), ("modules", [0, 1, "a"])), last=False)
    assert not facts.complete
    facts = facts.take(said(("modules", [0, 1, "b"])), last=False)
    assert (facts.complete, facts.modules) == (True, ("a", "b"))


def test_a_count_after_its_modules_completes_them() -> None:
    facts = Devmod().take(said(("modules", [0, 1, "a"])), last=False)
    assert facts.take(said(("nummodules", 1)), last=False).complete


def test_a_device_that_counts_wrong_is_complete_when_it_pauses() -> None:
    messages = said(("nummodules", 3), ("modules", [0, 1, "a"]))
    assert not Devmod().take(messages, last=False).complete
    assert Devmod().take(messages, last=True).complete


def test_a_pause_before_any_module_completes_nothing() -> None:
    assert not Devmod().take(said(("os", "Linux")), last=True).complete


@pytest.mark.parametrize(
    ("serial", "shown"),
    [("SN1", "SN1"), (b"SN1", "SN1"), (b"\xff\x00", "ff00"), (b"\x01", "01")],
)
def test_a_serial_number_is_text_or_bytes(serial: object, shown: str) -> None:
    assert Devmod().take(said(("sn", serial)), last=False).values == {"sn": shown}


def test_unknown_messages_are_skipped() -> None:
    assert Devmod().take(said(("colour", [1, 2])), last=False) == Devmod()


MALFORMED: dict[str, Message] = {
    "os is a number": ("os", b"\x01"),
    "os is too long": ("os", cbor.encode("x" * 1025)),
    "active is a text": ("active", cbor.encode("yes")),
    "count is negative": ("nummodules", b"\x20"),
    "modules is a text": ("modules", cbor.encode("a")),
    "modules has no count": ("modules", cbor.encode([0])),
    "modules has fewer than it says": ("modules", cbor.encode([0, 2, "a"])),
    "a module is a number": ("modules", cbor.encode([0, 1, 1])),
    "a module's name is too long": ("modules", cbor.encode([0, 1, "x" * 129])),
    "not CBOR": ("os", b"\xff"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_value_of_the_wrong_kind_is_malformed(name: str) -> None:
    with pytest.raises(MalformedError):
        Devmod().take([MALFORMED[name]], last=False)


def test_a_device_may_not_have_more_modules_than_we_keep() -> None:
    half = said(("modules", [0, 129, *("m" * 129)]))
    with pytest.raises(MessageRefused):
        Devmod().take([*half, *half], last=False)
    with pytest.raises(MessageRefused):
        Devmod().take(said(("nummodules", 257)), last=False)
