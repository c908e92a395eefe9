"""Cohorts: who is in which, and when they disagree."""

import pytest

from attestation.cohort import MAX_LABELS, MAX_OBSERVED, Cohort, Mode, claims
from attestation.errors import PolicyError

BERLIN = {"site": "berlin"}
OLD = Cohort("old", BERLIN, "boot", 1, Mode.ENFORCE)
TRY = Cohort("try", {"site": "berlin", "ring": "0"}, "boot", 2)


def test_a_device_is_in_each_cohort_whose_labels_it_all_has() -> None:
    found = claims({"site": "berlin", "ring": "0", "rack": "7"}, [TRY, OLD])
    assert (found.enforcing, found.observing) == ((OLD,), (TRY,))
    assert claims(BERLIN, [TRY, OLD]).observing == ()
    assert claims({"site": "Berlin"}, [TRY, OLD]).enforcing == ()


def test_cohorts_that_enforce_different_policies_contest_a_device() -> None:
    other = Cohort("other", BERLIN, "boot", 2, Mode.ENFORCE)
    same = Cohort("same", BERLIN, "boot", 1, Mode.ENFORCE)
    assert claims(BERLIN, [OLD, other]).contested
    agreed = claims(BERLIN, [same, OLD])
    assert (agreed.contested, agreed.names) == (False, ("old", "same"))


def test_no_more_policies_are_observed_than_are_paid_for() -> None:
    many = [Cohort(f"c{n}", BERLIN, "boot", n) for n in range(9, 0, -1)]
    seen = claims(BERLIN, many).observing
    assert [one.name for one in seen] == [f"c{n}" for n in range(1, MAX_OBSERVED + 1)]


@pytest.mark.parametrize(
    ("name", "labels", "version"),
    [
        ("all", {}, 1),
        ("many", {f"l{n}": "" for n in range(MAX_LABELS + 1)}, 1),
        ("no name", BERLIN, 1),
        ("none", BERLIN, 0),
    ],
)
def test_what_is_no_cohort_is_refused(
    name: str, labels: dict[str, str], version: int
) -> None:
    with pytest.raises(PolicyError):
        Cohort(name, labels, "boot", version)
