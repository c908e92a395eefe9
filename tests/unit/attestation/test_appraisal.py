"""Appraisals."""

from dataclasses import replace
from typing import Any

import pytest

from attestation.appraisal import (
    NOTHING_COMPARED,
    Appraisal,
    AppraisalFailure,
    Verdict,
    conclude,
)
from attestation.errors import PolicyError
from tests.support.release import APPRAISAL

FAILURE = AppraisalFailure("pcr", "PCR 7 has another value")


@pytest.mark.parametrize("verdict", Verdict)
def test_an_appraisal_survives_json(verdict: Verdict) -> None:
    failures = () if verdict is Verdict.PASSED else (FAILURE,)
    compared = () if verdict is Verdict.NOT_CHECKED else APPRAISAL.compared
    appraisal = replace(
        APPRAISAL, verdict=verdict, compared=compared, failures=failures, clock=None
    )
    assert Appraisal.from_json(appraisal.to_json()) == appraisal


BAD: dict[str, dict[str, Any]] = {
    "passed with nothing compared": {"compared": ()},
    "passed with a failure": {"failures": (FAILURE,)},
    "not checked with something compared": {"verdict": Verdict.NOT_CHECKED},
    "policy digest that is none": {"policy_digest": "boot"},
    "evidence digest that is none": {"evidence_digest": "AB" * 32},
}


@pytest.mark.parametrize("case", BAD)
def test_no_appraisal_is_made(case: str) -> None:
    with pytest.raises(PolicyError):
        replace(APPRAISAL, **BAD[case])


BAD_JSON: dict[str, dict[str, Any]] = {
    "unknown verdict": {"verdict": "fine"},
    "unknown channel": {"channel": "post"},
    "no GUID": {"guid": "x"},
    "failure as text": {"verdict": "failed", "failures": ["x"]},
    "counter as text": {"reset_count": "3"},
    "field more": {"more": 1},
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_json_of_another_shape_is_refused(case: str) -> None:
    with pytest.raises(PolicyError):
        Appraisal.from_json({**APPRAISAL.to_json(), **BAD_JSON[case]})


def test_valid_with_something_compared_passes() -> None:
    assert conclude(True, ["pcr:sha256:7"], []) == (Verdict.PASSED, ())


def test_valid_with_nothing_compared_is_no_pass() -> None:
    verdict, failures = conclude(True, [], [])
    assert verdict is Verdict.NOT_CHECKED
    assert failures[0].type == NOTHING_COMPARED


@pytest.mark.parametrize("valid", [True, False])
def test_a_failure_fails_whatever_the_verifier_calls_it(valid: bool) -> None:
    assert conclude(valid, ["pcr:sha256:7"], [FAILURE]) == (Verdict.FAILED, (FAILURE,))


def test_invalid_without_a_reason_still_fails_and_says_so() -> None:
    verdict, failures = conclude(False, ["pcr:sha256:7"], [])
    assert verdict is Verdict.FAILED
    assert len(failures) == 1
