"""Cohorts over the evidence channel, with a real TPM and the real Keylime."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.cohort import Cohort
from attestation.keylime.stack import KeylimeStack
from attestation.policy import AttestationPolicy
from hw.kernel_logs import KernelLogs
from onboarding.device.attest import attest
from onboarding.device.config import DeviceConfig
from onboarding.services import rows
from onboarding.services.errors import Problem
from onboarding.services.rollout import Standing, preview
from onboarding.store.appraisals import Outcome
from onboarding.store.observations import ObservationRecord
from onboarding.store.update_windows import REPORTED
from tests.support.attesting import (
    PCR,
    Attesting,
    Nearby,
    attesting_device,
    failures,
    measured,
)
from tests.support.databases import NewDatabase

if TYPE_CHECKING:
    from hw.tpm import Tpm

BERLIN = {"site": "berlin"}
IMAGE = bytes(range(32))
OTHER = ("cd" * 32,)
LIST = "ef" * 32  # of a runtime policy that is not looked up: no list comes


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    """Held to policy ``golden`` version 1; version 2 wants what it does not hold."""
    with attesting_device(
        tmp_path, keylime_stack, measured(tpm), databases=databases
    ) as device:
        bench = device.bench
        stores, now = bench.context.stores, bench.context.now()
        stores.devices.describe(bench.guid.raw, "test", now, labels=BERLIN)
        for version in (2, 3):
            store(device, AttestationPolicy("golden", version, {PCR: OTHER}))
        yield device


def store(device: Attesting, policy: AttestationPolicy) -> None:
    context = device.bench.context
    context.stores.policies.add(rows.policy_record(policy, "test", context.now()))


def observe(device: Attesting, name: str, policy: str, version: int) -> Cohort:
    context = device.bench.context
    cohort = Cohort(name, BERLIN, policy, version)
    context.stores.cohorts.observe(cohort, "test", context.now())
    return cohort


def enforce(device: Attesting, name: str, policy: str, version: int) -> Cohort:
    context = device.bench.context
    cohort = observe(device, name, policy, version)
    return context.stores.cohorts.enforce(cohort, "test", context.now()).cohort


def observed(device: Attesting) -> tuple[ObservationRecord, ...]:
    bench = device.bench
    return bench.context.stores.observations.of_device(bench.guid.raw)


def update(device: Attesting, held: Cohort, version: int, seconds: int) -> None:
    context = device.bench.context
    now = context.now()
    context.stores.cohorts.update(held, version, IMAGE, now + seconds, "test", now)


def test_an_observed_policy_that_fails_withdraws_nothing(attesting: Attesting) -> None:
    bench = attesting.bench
    bench.assign()
    cohort = observe(attesting, "berlin", "golden", 2)
    assert attesting.attest()["verdict"] == "passed"
    assert "ticket" in bench.ask()
    (seen,) = observed(attesting)
    assert (seen.outcome, seen.policy_version) == (Outcome.FAILED, 2)
    assert f"PCR {PCR}" in seen.failures[0].message
    assert bench.context.stores.releases.live(bench.guid.raw)
    looked = preview(bench.context, cohort)
    assert [standing for standing, _ in looked.in_the_way] == [Standing.WOULD_FAIL]


def test_once_enforced_the_policy_counts_in_place_of_the_devices_own(
    attesting: Attesting,
) -> None:
    enforce(attesting, "berlin", "golden", 2)
    assert attesting.attest()["verdict"] == "failed"
    held = attesting.bench.gate.situation(attesting.bench.guid.raw).held
    assert held.cohorts == ("berlin",)


def test_more_is_asked_for_what_is_observed_and_it_would_have_passed(
    attesting: Attesting,
) -> None:
    attesting.attester.tpm.extend(9, b"a kernel")
    (value,) = attesting.attester.allow(9)[9]
    store(attesting, AttestationPolicy("more", 1, {9: (value,)}))
    cohort = observe(attesting, "berlin", "more", 1)
    assert attesting.asked()["pcrs"] == [PCR, 9]
    assert attesting.attest()["verdict"] == "passed"
    assert observed(attesting)[0].outcome is Outcome.PASSED
    context = attesting.bench.context
    assert preview(context, cohort).counts[Standing.WOULD_PASS] == 1
    attesting.bench.clock.now += 901
    assert preview(context, cohort).counts[Standing.NOT_SEEN] == 1


def test_what_one_quote_cannot_show_was_not_seen(attesting: Attesting) -> None:
    wide = AttestationPolicy("wide", 1, {PCR: ("ab" * 48,)}, bank="sha384")
    store(attesting, wide)
    cohort = observe(attesting, "berlin", "wide", 1)
    assert attesting.attest()["verdict"] == "passed"
    assert observed(attesting)[0].outcome is Outcome.NOT_CHECKED
    looked = preview(attesting.bench.context, cohort)
    assert looked.counts[Standing.NOT_SEEN] == 1


def test_cohorts_that_disagree_hold_a_device_to_nothing(attesting: Attesting) -> None:
    bench = attesting.bench
    bench.assign()
    attesting.attest()
    enforce(attesting, "one", "golden", 1)
    two = observe(attesting, "two", "golden", 2)
    looked = preview(bench.context, two)
    assert looked.counts[Standing.CONTESTED] == 1
    bench.context.stores.cohorts.enforce(two, "test", bench.context.now())
    with pytest.raises(Problem, match="one, two hold this device to different"):
        attesting.asked()
    with pytest.raises(Problem, match="no attestation policy"):
        bench.ask()


def test_during_an_update_old_or_new_passes_until_the_time_is_over(
    attesting: Attesting,
) -> None:
    bench = attesting.bench
    bench.assign()
    held = enforce(attesting, "berlin", "golden", 1)
    update(attesting, held, 2, seconds=100)
    answer = attesting.attest()
    assert answer["verdict"] == "passed"
    stored = bench.context.stores.appraisals.latest(bench.guid.raw)
    assert stored.policy_version == 1
    # The lease of 600 s is not longer than the window, and neither is the ticket's.
    assert answer["lease_expires"] == bench.clock.now + 99
    assert "ticket" in bench.ask()
    bench.clock.now += 100
    with pytest.raises(Problem, match="under golden version 1, assigned is golden"):
        bench.ask()
    answer = attesting.attest()
    assert (answer["verdict"], answer["lease_expires"]) == ("failed", None)
    assert "removal_order" in bench.ask()


def test_who_reports_the_new_image_is_held_to_it_at_once(attesting: Attesting) -> None:
    held = enforce(attesting, "berlin", "golden", 1)
    update(attesting, held, 2, seconds=100)
    body = attesting.evidence(attesting.asked())
    attesting.bench.clock.now += 1
    other = attesting.channel.attest(attesting.call({**body, "image": bytes(32)}))
    assert other["verdict"] == "passed"
    body = attesting.evidence(attesting.asked())
    attesting.bench.clock.now += 1
    answer = attesting.channel.attest(attesting.call({**body, "image": IMAGE}))
    assert answer["verdict"] == "failed"
    assert f"PCR {PCR}" in failures(answer)
    assert attesting.attest()["verdict"] == "failed"


def test_a_window_ends_when_something_else_is_assigned(attesting: Attesting) -> None:
    held = enforce(attesting, "berlin", "golden", 1)
    update(attesting, held, 2, seconds=100)
    assert attesting.attest()["verdict"] == "passed"
    bench = attesting.bench
    two = bench.context.stores.cohorts.get("berlin").cohort
    update(attesting, two, 3, seconds=100)
    assert attesting.attest()["verdict"] == "failed"


def test_the_agent_reports_its_image_and_brings_what_logs_it_has(
    attesting: Attesting, tmp_path: Path
) -> None:
    tpm, nearby = attesting.attester.tpm, Nearby(attesting)
    stores, raw = attesting.bench.context.stores, attesting.bench.guid.raw
    key = tpm.attestation_key("ecc")
    record = stores.bindings.get(raw)
    stores.bindings.put(replace(record, ak_public=key.public), "test")
    store(attesting, AttestationPolicy("list", 1, {PCR: OTHER}, runtime_policy=LIST))
    observe(attesting, "try", "list", 1)
    held = enforce(attesting, "berlin", "golden", 1)
    update(attesting, held, 2, seconds=100)

    config = DeviceConfig(
        "SN-1", "generic-sbc-tpm", "board", image_file=str(tmp_path / "i")
    )
    none = KernelLogs(root=tmp_path)  # a machine that keeps no log
    assert attest(nearby, tpm, "ecc", none, config.image()).passed
    (tmp_path / "i").write_text(f"{IMAGE.hex()}  image.raw\n")
    assert not attest(nearby, tpm, "ecc", none, config.image()).passed
    assert [one.get("image") for one in nearby.sent("attest")] == [None, IMAGE]
    window = stores.update_windows.find(raw)
    assert window is not None
    assert window.closed_by == REPORTED
    (seen,) = observed(attesting)
    assert seen.failures[0].message == "the device sent no IMA list"
