"""The way of a device, step by step."""

from typing import Any, cast

import pytest

from onboarding.services.api.answers.devices import DeviceOut
from onboarding.services.console.way import way

NOW = 1_800_000_000
NOTHING: dict[str, Any] = {
    "imported_at": NOW - 900,
    "registered_until": None,
    "owned_at": None,
    "bound_at": None,
    "enrolled_at": None,
    "appraised_at": None,
    "lease_expires": None,
    "released_at": None,
    "withdrawn_at": None,
    "removal": None,
    "retired_at": None,
    "state": "imported",
}
TAKEN = {"owned_at": NOW - 600, "bound_at": NOW - 600, "enrolled_at": NOW - 600}
GOOD = {**TAKEN, "appraised_at": NOW - 60, "lease_expires": NOW + 60}


def reached(entries: int = 1, at: int | None = None, **facts: Any) -> dict[str, str]:
    steps = way(cast(DeviceOut, {**NOTHING, **facts}), entries, at, NOW)
    return {one.name: one.reached for one in steps}


def test_a_new_device_has_most_of_its_way_before_it() -> None:
    said = reached()
    assert said.pop("Made") == said.pop("Sold") == said.pop("Imported") == "good"
    assert set(said.values()) == {"todo"}


@pytest.mark.parametrize(
    ("facts", "step", "expected"),
    [
        ({"at": NOW - 9, "registered_until": NOW + 9}, "Registered", "good"),
        ({"at": NOW - 99, "registered_until": NOW - 9}, "Registered", "warn"),
        ({**TAKEN, "state": "attesting"}, "Registered", "good"),
        ({**TAKEN, "state": "attesting"}, "Attested", "todo"),
        ({**GOOD, "state": "attested"}, "Attested", "good"),
        ({**GOOD, "state": "attested"}, "Released", "todo"),
        ({**GOOD, "state": "stale"}, "Attested", "warn"),
        ({**GOOD, "lease_expires": None, "state": "failed"}, "Attested", "bad"),
        ({**GOOD, "released_at": NOW, "state": "released"}, "Released", "good"),
        ({**GOOD, "withdrawn_at": NOW, "state": "withdrawn"}, "Released", "warn"),
        ({"retired_at": NOW, "state": "retired"}, "Retired", "warn"),
        ({"entries": 0}, "Sold", "todo"),
    ],
)
def test_a_step_says_how_it_stands(
    facts: dict[str, Any], step: str, expected: str
) -> None:
    assert reached(**facts)[step] == expected
