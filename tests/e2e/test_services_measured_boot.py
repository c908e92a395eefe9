"""Event logs over the evidence channel: recorded boots in a real TPM, real Keylime."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.keylime.stack import KeylimeStack
from attestation.learning import Shown, draft
from hw.kernel_logs import KernelLogs
from onboarding.device.attest import Verdict, attest
from onboarding.device.errors import DeviceError
from onboarding.services.device_api.attest import KEPT, NOT_KEPT
from onboarding.services.errors import Problem
from onboarding.store.direct import Sql
from onboarding.store.errors import NotFound
from tests.support.attester import Attester
from tests.support.attesting import (
    Attesting,
    Nearby,
    attesting_device,
    failures,
    hold_to,
)
from tests.support.boot_logs import recorded_log
from tests.support.booted import BOOT, learnt_policy, with_another_command_line
from tests.support.databases import NewDatabase
from tests.support.replayed_boot import measure
from tests.support.swtpm import MakeSoftwareTpm

pytestmark = pytest.mark.sqlite_first


@pytest.fixture
def booted(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> Iterator[Attesting]:
    """A device that booted as recorded, held to what was learnt of that boot."""
    from hw.tpm import Tpm

    software = make_software_tpm(tmp_path.name)
    with Tpm(software.start()) as tpm:
        measure(tpm, recorded_log(BOOT))
        attester = Attester(tpm, tpm.create_attestation_key("ecc"))
        with attesting_device(tmp_path, keylime_stack, attester, databases) as device:
            device.uefi_log = recorded_log(BOOT)
            hold_to(device.bench, learnt_policy())
            yield device
    software.stop()


def test_a_boot_that_the_policy_knows_passes_and_tells_what_was_compared(
    booted: Attesting,
) -> None:
    asked = booted.asked()
    assert asked["uefi"] is True
    assert asked["pcrs"] == [0, 1, 2, 3, 4, 7, 8, 9, 14]
    answer = booted.attest()
    assert (answer["verdict"], answer["failures"]) == ("passed", [])
    compared = answer["compared"]
    assert isinstance(compared, list)
    assert compared[:2] == ["pcr:sha256:1", "boot:sha256:0"]
    assert compared[-2:] == ["boot-events:38", "boot-is:secure-boot"]
    booted.bench.assign()
    assert "ticket" in booted.bench.ask()


def test_an_event_after_the_log_was_read_is_a_log_that_is_not_true(
    booted: Attesting,
) -> None:
    booted.attester.tpm.extend(8, b"another command")
    answer = booted.attest()
    assert answer["verdict"] == "failed"
    assert "boot.not-replayed" in failures(answer)
    assert "PCR 8" in failures(answer)


@pytest.mark.both
def test_another_boot_is_refused_and_takes_the_workload_back(
    booted: Attesting,
) -> None:
    bench = booted.bench
    bench.assign()
    booted.attest()
    bench.ask()
    hold_to(bench, with_another_command_line())
    answer = booted.attest()
    assert "boot.event" in failures(answer)
    assert 'kernel command line: "/vmlinuz console=ttyS0' in failures(answer)
    assert 'the policy has kernel command line: "quiet"' in failures(answer)
    assert "removal_order" in bench.ask()


def test_a_pinned_value_is_still_keylimes_to_judge(booted: Attesting) -> None:
    booted.attester.tpm.extend(1, b"another setting")
    answer = booted.attest()
    assert "PCR 1 holds another value" in failures(answer)
    assert "pcr_validation.invalid_pcr_1" in failures(answer)


def test_no_log_is_no_pass(booted: Attesting) -> None:
    booted.uefi_log = b""
    answer = booted.attest()
    assert (answer["verdict"], answer["compared"]) == ("failed", [])
    assert "boot.no-log" in failures(answer)


def test_a_policy_is_learnt_from_a_device_under_another_one(booted: Attesting) -> None:
    bench, learnings = booted.bench, booted.bench.context.stores.learnings
    learnings.ask(bench.guid.raw, "test", bench.context.now())
    asked = booted.asked()
    assert (asked["uefi"], asked["optional_logs"]) == (True, ["ima"])
    assert asked["pcrs"] == [*range(11), 14]
    assert booted.attest()["verdict"] == "passed"
    learnt = learnings.get(bench.guid.raw)
    assert learnt.boot_log == recorded_log(BOOT)
    assert booted.asked()["pcrs"] == [0, 1, 2, 3, 4, 7, 8, 9, 14]
    policy = draft("learnt", 1, Shown(learnt.bank, learnt.pcrs, learnt.boot_log))
    hold_to(bench, policy)
    assert booted.attest()["verdict"] == "passed"


def test_a_device_under_no_policy_shows_itself_and_is_judged_by_nobody(
    booted: Attesting,
) -> None:
    bench = booted.bench
    stores, raw = bench.context.stores, bench.guid.raw
    bench.context.database.direct.count(Sql("DELETE FROM assignments"), ())
    with pytest.raises(Problem, match="No attestation policy"):
        booted.asked()
    stores.learnings.ask(raw, "test", bench.context.now())
    forged = booted.evidence(booted.asked()) | {"signature": b"\xff" * 70}
    assert NOT_KEPT in failures(booted.channel.attest(booted.call(forged)))
    answer = booted.attest()
    assert (answer["verdict"], answer["compared"]) == ("not-checked", [])
    assert KEPT in failures(answer)
    assert stores.learnings.get(raw).boot_log == recorded_log(BOOT)
    with pytest.raises(NotFound):
        stores.appraisals.latest(raw)


def agent_attests(
    booted: Attesting, logs: KernelLogs, nearby: Nearby | None = None
) -> Verdict:
    return attest(nearby or Nearby(booted), booted.attester.tpm, "ecc", logs)


def test_the_devices_agent_sends_its_log_where_it_is_asked_for(
    booted: Attesting, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(recorded_log(BOOT))
    verdict = agent_attests(booted, KernelLogs(uefi=log))
    assert verdict.passed
    assert verdict.noted("boot-events") == "38"
    with pytest.raises(DeviceError, match="assign a policy without that log"):
        agent_attests(booted, KernelLogs(root=tmp_path))


def test_the_devices_agent_sends_its_log_once(
    booted: Attesting, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(recorded_log(BOOT))
    nearby = Nearby(booted)
    for _ in range(2):
        assert agent_attests(booted, KernelLogs(uefi=log), nearby).passed
    first, second = nearby.sent("attest")
    assert (first["uefi_log"], "uefi_digest" in first) == (recorded_log(BOOT), False)
    assert second["uefi_digest"] == hashlib.sha256(recorded_log(BOOT)).digest()
    assert "uefi_log" not in second

    booted.attester.tpm.extend(8, b"another command")
    verdict = agent_attests(booted, KernelLogs(uefi=log), nearby)
    assert "boot.not-replayed" in verdict.failures[0]


def test_a_log_that_the_owner_has_lost_is_sent_again(
    booted: Attesting, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(recorded_log(BOOT))
    nearby = Nearby(booted)
    assert agent_attests(booted, KernelLogs(uefi=log), nearby).passed
    database = booted.bench.context.database

    def lose() -> None:
        database.direct.count(Sql("DELETE FROM boot_logs"), ())

    nearby.before_attest = lose
    assert agent_attests(booted, KernelLogs(uefi=log), nearby).passed
    assert ["uefi_log" in one for one in nearby.sent("attest")] == [True, False, True]


@pytest.mark.parametrize("logged", [True, False])
def test_the_devices_agent_shows_what_log_it_has_to_be_learnt_from(
    booted: Attesting, tmp_path: Path, logged: bool
) -> None:
    bench, log = booted.bench, tmp_path / "log"
    bench.context.database.direct.count(Sql("DELETE FROM assignments"), ())
    learnings = bench.context.stores.learnings
    learnings.ask(bench.guid.raw, "test", bench.context.now())
    if logged:
        log.write_bytes(recorded_log(BOOT))
    verdict = agent_attests(booted, KernelLogs(uefi=log))
    assert not verdict.passed
    assert KEPT in verdict.failures[0]
    shown = learnings.get(bench.guid.raw)
    assert shown.boot_log == (recorded_log(BOOT) if logged else b"")
    assert len(shown.pcrs) == 12
