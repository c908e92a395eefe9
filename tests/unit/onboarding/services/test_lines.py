"""What a production line takes, and what it gives to which device."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from onboarding.protocol.errors import StationRefused, error_code, error_message
from onboarding.services.fdo_front import Arrival
from onboarding.services.lines import Line, LineDocument, Lines
from onboarding.store.database import Database
from onboarding.store.lines import LineStore
from onboarding.wire.error import ErrorMessage
from ownership_vouchers.rendezvous import RendezvousInfo


def rv(name: str) -> list[dict[str, Any]]:
    return [{"dns": name, "protocol": "http", "device_port": 80, "owner_port": 80}]


def built(name: str) -> RendezvousInfo:
    return RendezvousInfo.build(rv(name))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LineStore]:
    database = Database(f"sqlite:///{tmp_path}/x.db")
    database.migrate()
    yield LineStore(database)
    database.close()


def put(store: LineStore, name: str, **settings: Any) -> None:
    document = LineDocument.model_validate(settings)
    store.put(name, document.encode(), "test", 0)


def test_without_any_line_the_root_is_open(store: LineStore) -> None:
    admitted = Lines(store, "default").admit(Arrival())
    assert (admitted.line.name, admitted.station) == ("default", "")
    assert admitted.line.rv_info("any") is None


def test_a_line_wants_its_stations_key(store: LineStore) -> None:
    put(store, "a")
    _, key = store.hire("a", "bench 1", "test", 0)
    lines = Lines(store, "default")
    assert lines.admit(Arrival("a", f" {key}\t")).station == "bench 1"
    for arrival in (Arrival("a"), Arrival("a", ""), Arrival("a", key[:-1])):
        with pytest.raises(StationRefused):
            lines.admit(arrival)


def test_the_default_line_can_be_closed_like_any_other(store: LineStore) -> None:
    put(store, "default")
    with pytest.raises(StationRefused):
        Lines(store, "default").admit(Arrival())


def test_a_service_may_give_its_root_to_a_line(store: LineStore) -> None:
    put(store, "a", require_key=False)
    assert Lines(store, "a").admit(Arrival()).line.name == "a"
    with pytest.raises(StationRefused):
        Lines(store, "gone").admit(Arrival())


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::1", True),
        ("192.0.3.1", False),
        ("2001:db9::1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_a_line_may_be_bound_to_networks(
    store: LineStore, address: str, taken: bool
) -> None:
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    put(store, "a", require_key=False, networks=networks)
    lines = Lines(store, "default")
    arrival = Arrival("a", address=address)
    if taken:
        assert lines.admit(arrival).line.name == "a"
    else:
        with pytest.raises(StationRefused, match="nothing from this address"):
            lines.admit(arrival)


def test_a_network_does_not_stand_in_for_a_key(store: LineStore) -> None:
    put(store, "a", networks=["192.0.2.0/24"])
    with pytest.raises(StationRefused, match="station's key"):
        Lines(store, "default").admit(Arrival("a", address="192.0.2.1"))


def test_an_unknown_line_is_told_as_a_wrong_key_is(store: LineStore) -> None:
    put(store, "a")
    told = []
    for arrival in (Arrival("nowhere", "vgl_0_x"), Arrival("a", "vgl_0_x")):
        with pytest.raises(StationRefused) as refused:
            Lines(store, "default").admit(arrival)
        told.append(error_message(refused.value, 10, 0, 0))
        assert int(error_code(refused.value)) == 1
    assert told[0] == told[1]
    assert "line" in ErrorMessage.from_cbor(told[0]).text


def test_the_first_pattern_that_fits_a_model_counts() -> None:
    models = [
        {"model": "gw-2?", "directives": rv("two")},
        {"model": "gw-*", "directives": rv("any")},
        {"model": "gw-21", "directives": rv("never")},
    ]
    settings = {"directives": rv("line"), "models": models}
    line = Line.of("a", LineDocument.model_validate(settings))
    wanted = {"gw-21": "two", "gw-2": "any", "gw-": "any", "GW-21": "line", "x": "line"}
    for model, name in wanted.items():
        assert line.rv_info(model) == built(name), model


def test_a_pattern_is_no_regular_expression() -> None:
    models = [{"model": "a.c(|", "directives": rv("dot")}]
    line = Line.of("a", LineDocument.model_validate({"models": models}))
    assert line.rv_info("abc(|") is None
    assert line.rv_info("a.c(|") == built("dot")


@pytest.mark.parametrize(
    "settings",
    [
        {"directives": []},
        {"directives": [{"no-such-variable": 1}]},
        {"models": [{"model": "", "directives": rv("x")}]},
        {"models": [{"model": "a[b]", "directives": rv("x")}]},
        {"models": [{"model": "*****", "directives": rv("x")}]},
        {"models": [{"model": "x", "directives": [{"dns": 7}]}]},
        {"models": [{"model": "x", "directives": rv("x")}] * 65},
        {"networks": ["192.0.2.0/33"]},
        {"device_ca": "Not A Name"},
        {"same_serial": "ignore"},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LineDocument.model_validate(settings)


def test_a_line_is_the_same_after_it_was_stored() -> None:
    settings = {
        "networks": ["192.0.2.0/24"],
        "models": [{"model": "x", "directives": rv("x")}],
        "same_serial": "refuse",
    }
    document = LineDocument.model_validate(settings)
    again = LineDocument.model_validate_json(document.encode())
    assert again == document
    assert again.encode() == document.encode()
