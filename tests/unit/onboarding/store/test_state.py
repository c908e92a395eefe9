"""The state function: pure, total, and as the architecture's table says."""

from dataclasses import fields, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.documents import CLOCK_SKEW
from onboarding.store.state import DeviceFacts, DeviceState, state_of

NOW = 1000
GOOD = DeviceFacts(
    registered_until=900,
    owned_at=100,
    bound_at=100,
    enrolled_at=110,
    appraised_at=990,
    appraisal_passed=True,
    lease_expires=1100,
    released_at=995,
)

CHANGES: dict[str, tuple[DeviceFacts, DeviceState]] = {
    "nothing but a voucher": (DeviceFacts(), DeviceState.IMPORTED),
    "a live registration": (DeviceFacts(registered_until=1001), DeviceState.REGISTERED),
    "a registration that ran out": (
        DeviceFacts(registered_until=1000),
        DeviceState.IMPORTED,
    ),
    "owned, no TPM shown": (replace(GOOD, bound_at=None), DeviceState.OWNED),
    "bound, not enrolled": (replace(GOOD, enrolled_at=None), DeviceState.BOUND),
    "no appraisal yet": (replace(GOOD, appraised_at=None), DeviceState.ATTESTING),
    "nothing released": (replace(GOOD, released_at=None), DeviceState.ATTESTED),
    "the lease at its last second": (
        replace(GOOD, lease_expires=1000),
        DeviceState.RELEASED,
    ),
    "the lease run out": (replace(GOOD, lease_expires=999), DeviceState.STALE),
    "an appraisal a little ahead of our clock": (
        replace(GOOD, appraised_at=NOW + CLOCK_SKEW, lease_expires=9000),
        DeviceState.RELEASED,
    ),
    "our clock went back": (
        replace(GOOD, appraised_at=NOW + CLOCK_SKEW + 1, lease_expires=9000),
        DeviceState.STALE,
    ),
    "a pass without a lease": (replace(GOOD, lease_expires=None), DeviceState.STALE),
    "a failed appraisal": (replace(GOOD, appraisal_passed=False), DeviceState.FAILED),
    "withdrawn": (replace(GOOD, withdrawn_at=999), DeviceState.WITHDRAWN),
    "withdrawn after a failure": (
        replace(GOOD, withdrawn_at=999, appraisal_passed=False),
        DeviceState.WITHDRAWN,
    ),
    "retired": (replace(GOOD, withdrawn_at=999, retired_at=999), DeviceState.RETIRED),
}


def test_all_facts_good_is_released() -> None:
    assert state_of(GOOD, NOW) is DeviceState.RELEASED


@pytest.mark.parametrize(("facts", "state"), CHANGES.values(), ids=CHANGES.keys())
def test_one_changed_fact_changes_the_state(
    facts: DeviceFacts, state: DeviceState
) -> None:
    assert state_of(facts, NOW) is state


times = st.none() | st.integers(min_value=0, max_value=2000)


@given(
    st.builds(
        DeviceFacts,
        **{
            field.name: st.booleans() if field.name == "appraisal_passed" else times
            for field in fields(DeviceFacts)
        },
    ),
    st.integers(min_value=0, max_value=2000),
)
def test_released_only_on_every_fact_that_it_needs(
    facts: DeviceFacts, now: int
) -> None:
    released = state_of(facts, now) is DeviceState.RELEASED
    assert released == (
        facts.retired_at is None
        and facts.withdrawn_at is None
        and None
        not in (facts.owned_at, facts.bound_at, facts.enrolled_at, facts.released_at)
        and facts.appraised_at is not None
        and facts.appraisal_passed
        and facts.lease_expires is not None
        and facts.appraised_at - CLOCK_SKEW <= now <= facts.lease_expires
    )


def test_every_combination_has_a_state_and_every_state_a_combination() -> None:
    timed = [field.name for field in fields(DeviceFacts)]
    timed.remove("appraisal_passed")
    seen = set()
    for values in product((None, NOW + 1), repeat=len(timed)):
        given_facts: dict[str, Any] = dict(zip(timed, values, strict=True))
        facts = DeviceFacts(**given_facts)
        for passed in (False, True):
            for now in (NOW, NOW + 2):
                changed = replace(facts, appraisal_passed=passed)
                seen.add(state_of(changed, now))
    assert seen == set(DeviceState)
