"""Variables in a plan's parameters."""

import pytest

from onboarding.services.serviceinfo.variables import filled, names_in

PARAMETERS = {
    "url": "https://files.example.test/{devmod.arch}/{serial}",
    "args": ["{guid}", 1, None, {"deep": "{serial}"}],
    "text": '{{"id": "{guid}"}}',
}
VALUES = {"guid": "G", "serial": "S", "devmod.arch": "A"}


def test_variables_are_found_wherever_they_stand() -> None:
    assert names_in(PARAMETERS) == {"guid", "serial", "devmod.arch"}


def test_variables_are_replaced_and_nothing_else() -> None:
    assert filled(PARAMETERS, VALUES) == {
        "url": "https://files.example.test/A/S",
        "args": ["G", 1, None, {"deep": "S"}],
        "text": '{"id": "G"}',
    }


def test_a_value_is_not_looked_at_for_variables_again() -> None:
    assert filled("{serial}", {"serial": "{guid}"}) == "{guid}"


@pytest.mark.parametrize(
    "text", ["{color}", "{}", "{ guid }", "{guid.x}", "{", "}", "{guid", "guid}", "{{}"]
)
def test_an_unknown_variable_or_a_lone_brace_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"variable|brace"):
        names_in({"a": [text]})
