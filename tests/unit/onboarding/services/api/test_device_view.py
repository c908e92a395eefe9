"""What people and programs are shown of a device."""

import json
from dataclasses import replace

import pytest

from onboarding.services.api.device_view import shown_appraisal
from tests.support.store_records import appraisal


@pytest.mark.parametrize("number", [2312897626142815701, (1 << 64) - 1, 7, None])
def test_a_firmware_number_survives_readers_that_have_only_floats(
    number: int | None,
) -> None:
    shown = json.dumps(shown_appraisal(replace(appraisal(), firmware=number)))
    read = json.loads(shown, parse_int=float)["firmware"]
    assert read == (None if number is None else f"{number:016x}")
