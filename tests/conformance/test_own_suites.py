"""Our own vectors of key exchanges and ciphers, read as others would read them."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from onboarding.protocol.ciphers import EVERY, known_cipher
from onboarding.protocol.kex import (
    OwnerHalf,
    Shared,
    answer,
    half_from_item,
    new_half,
    session_key,
)
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.message import KexSuite
from tests.support.own_suites import KINDS, draw, suites
from tests.support.refusals import code_of
from tests.support.supply_chain import new_key

FILE = Path(__file__).parents[1] / "vectors" / "own" / "suites.json"
GIVEN: dict[str, Any] = json.loads(FILE.read_text())


def data(one: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(one[name])


def half_of(suite: KexSuite, private: bytes, sent: bytes) -> OwnerHalf:
    """Put a half together from what is written of it."""
    return half_from_item([suite.value, private, sent])


def test_the_file_is_what_its_generator_writes() -> None:
    written = json.dumps(suites(), indent=1) + "\n"
    assert FILE.read_text() == written, "run python -m tests.support.own_vectors"


def test_every_cipher_and_every_exchange_without_chance_is_there() -> None:
    assert {one["cipher"] for one in GIVEN["ciphers"]} == {int(one) for one in EVERY}
    assert {one["kex"] for one in GIVEN["exchanges"]} == set(KINDS)


@pytest.mark.parametrize("one", GIVEN["exchanges"], ids=lambda one: one["kex"])
def test_both_sides_come_to_what_is_written(one: dict[str, Any]) -> None:
    suite = KexSuite(one["kex"])
    half = new_half(suite, draw(suite, "owner"))
    assert half.sent == data(one, "xA")
    assert half == half_of(suite, data(one, "owner_private"), data(one, "xA"))
    owner_key = new_key(KINDS[suite]).public_key()
    sent, shared = answer(suite, half.sent, owner_key, draw(suite, "device"))
    assert sent == data(one, "xB")
    assert shared == half.owner_shared(sent, None)
    assert shared == Shared(data(one, "shared_secret"), data(one, "context_rand"))
    for number, key in one["keys"].items():
        assert session_key(known_cipher(int(number)), shared).hex() == key


@pytest.mark.parametrize("one", GIVEN["exchanges"], ids=lambda one: one["kex"])
def test_a_wrong_value_is_refused_with_its_verdict(one: dict[str, Any]) -> None:
    suite = KexSuite(one["kex"])
    half = new_half(suite, draw(suite, "owner"))
    assert len(one["cases"]) >= 6
    for case in one["cases"]:
        code = code_of(partial(half.owner_shared, data(case, "xB"), None))
        assert code == case["verdict"], case["name"]


@pytest.mark.parametrize("one", GIVEN["ciphers"], ids=lambda one: one["name"])
def test_a_message_opens_and_no_altered_one_does(one: dict[str, Any]) -> None:
    tunnel = Tunnel(known_cipher(one["cipher"]), data(one, "key"))
    assert tunnel.open(data(one, "wire")) == data(one, "plain")
    assert len(one["cases"]) >= 6
    for case in one["cases"]:
        code = code_of(partial(tunnel.open, data(case, "wire")))
        assert code == case["verdict"] == 100, case["name"]
