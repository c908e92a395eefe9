"""Only names that mean one thing in a URL path."""

import pytest

from attestation.keylime.agent_id import checked_agent_id
from attestation.keylime.errors import KeylimeError

GUID = "d432fbb3-d2f1-4a97-9ef7-75bd81c0000a"
REFUSED = {
    "empty": "",
    "slash": f"{GUID}/x",
    "dots": "..",
    "escape": "a%2fb",
    "upper case": GUID.upper(),
    "query": f"{GUID}?x",
    "line end": f"{GUID}\n",
    "leading hyphen": "-a",
    "81 characters": "a" * 81,
    "digits of another script": "٣",
}


def test_a_guid_is_an_agent_id() -> None:
    assert checked_agent_id(GUID) == GUID


@pytest.mark.parametrize("agent_id", REFUSED.values(), ids=REFUSED.keys())
def test_what_could_mean_another_path_is_refused(agent_id: str) -> None:
    with pytest.raises(KeylimeError, match="agent id"):
        checked_agent_id(agent_id)
