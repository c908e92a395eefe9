"""What people read of a device's appraisals, from what the API says of them."""

from dataclasses import replace

from onboarding.cli.fleet_looks import appraisal_row
from onboarding.services.api.device_view import shown_appraisal
from onboarding.store.appraisals import Outcome
from tests.support.store_records import appraisal


def test_an_appraisal_is_a_row_with_its_verdict_and_what_was_compared() -> None:
    row = appraisal_row(shown_appraisal(appraisal()))
    assert row[1:] == ("passed", "boards version 1", "vendor-trusted", "pcr0, pcr16")
    failed = appraisal_row(shown_appraisal(appraisal(outcome=Outcome.FAILED)))
    assert (failed[1], failed[-1]) == ("failed", "PCR 16 is not what the policy pins")
    nothing = replace(appraisal(outcome=Outcome.NOT_CHECKED), compared=(), failures=())
    row = appraisal_row(shown_appraisal(nothing))
    assert (row[1], row[-1]) == ("not-checked", "nothing")
