"""The rendezvous service that an owner asks: its settings, and its answers."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from onboarding.services.asking_rendezvous import RendezvousService
from onboarding.services.diagnosis.joining import asked_at, is_diagnosis, joined
from onboarding.services.diagnosis.words import Why
from onboarding.services.errors import SettingsError
from onboarding.services.settings import Settings

TOLD: dict[str, Any] = {
    "why": "unknown",
    "next": "Nothing is known.",
    "guids": [],
    "runs": [],
    "failed_modules": [],
    "to1": None,
}


@pytest.mark.parametrize("url", ["http://rv.example.test", "ftp://rv.test", "http://["])
def test_a_key_crosses_no_network_in_clear(tmp_path: Path, url: str) -> None:
    key = tmp_path / "key"
    key.write_text("vg_1_2")
    with pytest.raises(SettingsError, match="VOUCHGATE_RENDEZVOUS_URL"):
        RendezvousService.open(
            Settings(rendezvous_url=url, rendezvous_api_key_file=key)
        )


def test_authorities_that_are_none_are_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("vg_1_2")
    (tmp_path / "ca").write_text("none")
    settings = Settings(
        rendezvous_url="https://rv.example.test",
        rendezvous_api_key_file=tmp_path / "key",
        rendezvous_ca=tmp_path / "ca",
    )
    with pytest.raises(SettingsError, match="VOUCHGATE_RENDEZVOUS_CA"):
        RendezvousService.open(settings)


def test_an_address_and_a_key_go_together() -> None:
    with pytest.raises(ValidationError, match="go together"):
        Settings(rendezvous_url="https://rv.example.test")
    assert RendezvousService.open(Settings()) is None


def test_a_service_does_not_show_its_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("vg_1_secret")
    settings = Settings(
        rendezvous_url="http://127.0.0.1:1/",
        rendezvous_api_key_file=tmp_path / "key",
    )
    service = RendezvousService.open(settings)
    assert service is not None
    assert service.url == "http://127.0.0.1:1"
    assert "secret" not in repr(service)
    service.close()


WRONG: dict[str, object] = {
    "a list": [],
    "no reason": {**TOLD, "why": None},
    "a reason that is none": {**TOLD, "next": 3},
    "runs that are none": {**TOLD, "runs": "none"},
    "TO1 that is none": {**TOLD, "to1": "seen"},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_diagnosis_is_not_taken_for_one(name: str) -> None:
    assert is_diagnosis(TOLD)
    assert not is_diagnosis(WRONG[name])


def test_a_device_is_asked_for_by_its_guids_until_it_was_seen() -> None:
    asked: list[str] = []

    def ask(guid: str) -> dict[str, Any]:
        asked.append(guid)
        return {**TOLD, "guid": guid, "to1": {"seen": guid == "2"}}

    assert asked_at(("1", "2", "3"), ask)["guid"] == "2"
    assert asked == ["1", "2"]
    assert asked_at(("7", "8", "9", "10", "11"), ask)["guid"] == "7"
    assert asked[2:] == ["7", "8", "9", "10"]


# What the owner says, what rendezvous says, and whose word counts.
WHOSE: dict[str, tuple[Why, Why, Why]] = {
    "it came there": (Why.NOT_SEEN, Why.REDIRECTED, Why.REDIRECTED),
    "it did not come there, either": (Why.NOT_SEEN, Why.UNKNOWN, Why.NOT_SEEN),
    "nobody knows it": (Why.UNKNOWN, Why.UNKNOWN, Why.UNKNOWN),
    "it asked there in vain": (Why.UNKNOWN, Why.ASKED_IN_VAIN, Why.ASKED_IN_VAIN),
    "the owner knows more": (Why.REFUSED_HERE, Why.REDIRECTED, Why.REFUSED_HERE),
}


@pytest.mark.parametrize("name", WHOSE)
def test_rendezvous_has_the_word_where_its_owner_knows_no_more(name: str) -> None:
    own, seen, counts = WHOSE[name]
    found = joined({**TOLD, "why": own.value}, "u", {**TOLD, "why": seen.value})
    assert found["why"] == counts.value
    by_rendezvous = own in (Why.NOT_SEEN, Why.UNKNOWN) and seen is not Why.UNKNOWN
    assert found["next"].startswith("At u: ") is by_rendezvous
    assert ("import" in found["next"]) is (own is Why.UNKNOWN and by_rendezvous)
