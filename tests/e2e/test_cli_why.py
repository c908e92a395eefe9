"""``vouchgate device why``: what it says of real devices, by one question or by two."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hw.keys import new_soft_key
from onboarding.cli.app import run
from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from tests.support.fdo_chain import Chain, eventually, joined, state_of
from tests.support.rv_stubs import nobody, silent
from tests.support.services import Running, Wire
from tests.support.soft_device import SoftDevice

Capture = pytest.CaptureFixture[str]


@dataclass
class Town:
    """Three services, and devices that have come so far and no further."""

    chain: Chain
    asking: Running  # an owner that asks the rendezvous service by itself
    owner_key: Path
    rendezvous_key: Path
    guids: dict[str, str] = field(default_factory=dict)

    def at_owner(self, device: str, url: str | None = None) -> list[str]:
        url = url or self.chain.owner.url
        keys = ["--api-key-file", str(self.owner_key)]
        return ["device", "why", self.guids[device], "--url", url, *keys]

    def and_rendezvous(self, device: str) -> list[str]:
        named = ["--rendezvous", self.chain.rendezvous.url]
        key = ["--rendezvous-key-file", str(self.rendezvous_key)]
        return [*self.at_owner(device), *named, *key]

    def at_once(self, device: str) -> list[str]:
        return self.at_owner(device, self.asking.url)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    home = tmp_path_factory.mktemp("why")
    for chain in joined(home, KeyAlgorithm.P256):
        owner_key, rendezvous_key = home / "owner.apikey", home / "rv.apikey"
        owner_key.write_text(chain.owner_key)
        rendezvous_key.write_text(chain.rendezvous_key)
        town = Town(
            chain, asking(chain, chain.rendezvous.url), owner_key, rendezvous_key
        )
        town.guids = {
            "onboarded": onboarded(chain),
            "stopped": stopped(chain),
            "redirected": redirected(chain),
            "unknown": str(uuid4()),
        }
        yield town


def asking(chain: Chain, url: str) -> Running:
    """Another replica of the owner, with a rendezvous service to ask."""
    key = chain.site.directory / "asked.apikey"
    key.write_text(chain.rendezvous_key)
    changed = {
        "background": False,
        "rendezvous_url": url,
        "rendezvous_api_key_file": key,
    }
    settings = chain.owner_settings.model_copy(update=changed)
    return chain.more.enter_context(chain.site.serve(settings))


def registered(chain: Chain) -> SoftDevice:
    device = chain.bought()
    eventually(lambda: state_of(chain, device) == "registered")
    return device


def redirected(chain: Chain) -> str:
    """A device that was sent to its owner, and has not come there."""
    device = registered(chain)
    Wire.to(chain.rendezvous.url).run(device.to1())
    return str(device.credential.guid)


def stopped(chain: Chain) -> str:
    """A device that signs with another key than its voucher has."""
    device = registered(chain)
    another = replace(device, key=new_soft_key("P-256"))
    with pytest.raises(PeerFailed):
        another.onboard(Wire.to(chain.owner.url))
    return str(device.credential.guid)


def onboarded(chain: Chain) -> str:
    device = registered(chain)
    to1d = Wire.to(chain.rendezvous.url).run(device.to1())
    device.onboard(Wire.to(chain.owner.url), to1d=to1d)
    return str(device.credential.guid)


def told(capsys: Capture, command: list[str]) -> str:
    """What a command prints, on one line."""
    capsys.readouterr()
    assert run(command) == 0
    return " ".join(capsys.readouterr().out.split())


def answered(capsys: Capture, command: list[str]) -> Any:
    capsys.readouterr()
    assert run([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


STOPPED = "TO2 stopped at message 64 (TO2.ProveDevice) with error 101"
# By device: what its owner says by itself, and what it says once rendezvous was asked.
SAID: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "onboarded": (
        ("The device was onboarded", "TO2 seen, 0 tries", "state owned"),
        ("The device was onboarded", "TO1 seen, 0 tries", "TO2 seen, 0 tries"),
    ),
    "stopped": (
        (STOPPED, "this service says:", "key", "TO2 seen, 1 tries", "TO0", "live for"),
        (STOPPED, "TO1 never seen", "TO2 seen, 1 tries"),
    ),
    "redirected": (
        ("only that server knows", "TO2 never seen", "our key"),
        ("The rendezvous server sent the device to its owner", "TO1 seen, 0 tries"),
    ),
    "unknown": (
        ("Nothing is known of", "state unknown here"),
        ("Nothing is known of", "TO1 never seen"),
    ),
}


@pytest.mark.parametrize("device", SAID)
def test_the_owner_says_what_it_knows_by_itself(
    town: Town, capsys: Capture, device: str
) -> None:
    said = told(capsys, town.at_owner(device))
    assert all(words in said for words in SAID[device][0]), said
    assert "TO1" not in said
    assert town.guids[device] in said


@pytest.mark.parametrize("device", SAID)
def test_with_rendezvous_both_are_one_answer_by_two_questions_or_by_one(
    town: Town, capsys: Capture, device: str
) -> None:
    for command in (town.and_rendezvous(device), town.at_once(device)):
        said = told(capsys, command)
        assert all(words in said for words in SAID[device][1]), said


@pytest.mark.parametrize("device", SAID)
def test_both_ways_have_the_same_shape_for_programs(
    town: Town, capsys: Capture, device: str
) -> None:
    own = answered(capsys, town.at_owner(device))
    twice = answered(capsys, town.and_rendezvous(device))
    once = answered(capsys, town.at_once(device))
    assert own["rendezvous"] is own["to1"] is None
    assert own.keys() == twice.keys() == once.keys()
    assert twice["rendezvous"].keys() == once["rendezvous"].keys()
    assert once["rendezvous"]["url"] == town.chain.rendezvous.url
    assert once["rendezvous"]["error"] is None
    assert once["to1"] == twice["to1"]
    assert once["to1"]["seen"] is (device in ("onboarded", "redirected"))
    changed = "redirected" if device == "redirected" else own["why"]
    assert once["why"] == twice["why"] == changed


def test_a_serial_number_that_nobody_has_is_no_question_for_rendezvous(
    town: Town, capsys: Capture
) -> None:
    town.guids["serial"] = "SN-404"
    said = told(capsys, town.at_once("serial"))
    assert "serial SN-404" in said
    capsys.readouterr()
    assert run(town.and_rendezvous("serial")) == 1
    assert "knows no serial numbers" in capsys.readouterr().err


def test_a_rendezvous_service_that_is_away_is_said_and_no_error(
    town: Town, capsys: Capture
) -> None:
    away = asking(town.chain, f"http://127.0.0.1:{nobody()}")
    said = told(capsys, town.at_owner("redirected", away.url))
    assert "only that server knows" in said
    assert "was not heard: it does not answer: ConnectError" in said


def test_a_rendezvous_service_that_is_silent_is_not_waited_for(
    town: Town, capsys: Capture
) -> None:
    with silent() as port:
        away = asking(town.chain, f"http://127.0.0.1:{port}")
        found = answered(capsys, town.at_owner("stopped", away.url))
    assert found["why"] == "refused-here"
    assert found["rendezvous"]["error"] == "it does not answer: ReadTimeout"


def test_a_service_that_is_none_of_ours_or_takes_no_key_is_said(
    town: Town, capsys: Capture
) -> None:
    chain = town.chain
    factory = asking(chain, chain.factory.url)  # another key is for that one
    found = answered(capsys, town.at_owner("stopped", factory.url))
    assert "VOUCHGATE_RENDEZVOUS_API_KEY_FILE" in found["rendezvous"]["error"]
    assert chain.rendezvous_key not in json.dumps(found)
