"""IMA lists over the evidence channel: a real TPM, real Keylime and its policy."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from attestation.errors import PolicyError
from attestation.keylime.stack import KeylimeStack
from attestation.policy import AttestationPolicy
from hw.kernel_logs import KernelLogs
from onboarding.device.attest import Verdict, attest
from onboarding.services.device_api.attest import KEPT
from onboarding.services.errors import Problem
from onboarding.services.learning import Learner
from onboarding.store.direct import Sql
from tests.support.attester import Attester
from tests.support.attesting import (
    PCR,
    Attesting,
    Nearby,
    attesting_device,
    failures,
    hold_to,
    measured,
)
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured, extended
from tests.support.running import hold_to_list, listed, run, runtime_policy
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytestmark = pytest.mark.sqlite_first

GOOD = (
    Measured(b"boot_aggregate"),
    Measured(b"/usr/bin/bash", digest=bytes(32)),
    Measured(b"/usr/bin/app", digest=b"\1" * 32),
)
EVIL = Measured(b"/usr/bin/evil", digest=b"\2" * 32)
MORE = Measured(b"/usr/bin/more", digest=b"\3" * 32)


def allow(device: Attesting, allowed: Sequence[Measured], version: int = 1) -> None:
    """Hold the device to a policy under which these files may run."""
    hold_to_runtime(device, runtime_policy(allowed), version)


def hold_to_runtime(device: Attesting, body: bytes, version: int) -> None:
    hold_to_list(device.bench, device.attester.allow(PCR), body, version)


@pytest.fixture
def power(
    tmp_path: Path, make_software_tpm: MakeSoftwareTpm
) -> Iterator["Callable[[], Tpm]"]:
    """Switches a machine off and on again: its TPM has measured nothing then."""
    from hw.tpm import Tpm

    software = make_software_tpm(hashlib.sha256(bytes(tmp_path)).hexdigest()[:8])
    with ExitStack() as stack:

        def on() -> Tpm:
            stack.close()
            software.stop()
            return stack.enter_context(Tpm(software.start()))

        yield on
    software.stop()


@pytest.fixture
def running(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    power: "Callable[[], Tpm]",
    databases: NewDatabase,
) -> Iterator[Attesting]:
    """A device that ran what its policy allows."""
    attester = measured(power())
    run(attester.tpm, GOOD)
    with attesting_device(tmp_path, keylime_stack, attester, databases) as device:
        allow(device, GOOD)
        device.ima_log = listed(*GOOD)
        yield device


def test_what_ran_passes_and_is_counted(running: Attesting) -> None:
    asked = running.asked()
    assert (asked["ima"], asked["pcrs"]) == (True, [PCR, 10])
    answer = running.attest()
    assert (answer["verdict"], answer["failures"]) == ("passed", [])
    assert answer["compared"] == [
        f"pcr:sha256:{PCR}",
        "ima:sha256:10",
        "ima-entries:3",
    ]


def test_a_file_that_is_not_allowed_is_named(running: Attesting) -> None:
    run(running.attester.tpm, [EVIL])
    running.ima_log = listed(*GOOD, EVIL)
    answer = running.attest()
    assert answer["verdict"] == "failed"
    assert "/usr/bin/evil" in failures(answer)
    assert "ima.validation" in failures(answer)


def test_a_list_that_leaves_a_file_out_is_not_true(running: Attesting) -> None:
    run(running.attester.tpm, [EVIL])
    answer = running.attest()
    assert "ima.not-replayed" in failures(answer)


def test_a_device_passes_what_was_learnt_from_it_and_nothing_that_ran_later(
    running: Attesting,
) -> None:
    context, raw = running.bench.context, running.bench.guid.raw
    learner = Learner(context)
    context.stores.learnings.ask(raw, "test", context.now())
    run(running.attester.tpm, [MORE])
    running.ima_log = listed(*GOOD, MORE)
    assert "/usr/bin/more" in failures(running.attest())
    learnt = context.stores.learnings.get(raw)
    body = learner.runtime(learnt, None, update=False)

    run(running.attester.tpm, [EVIL])
    running.ima_log = listed(*GOOD, MORE, EVIL)
    assert "/usr/bin/evil" in failures(running.attest())
    assert learner.runtime(learnt, None, update=False) == body
    hold_to_runtime(running, body, 2)
    answer = running.attest()
    assert "/usr/bin/evil" in failures(answer)
    assert "/usr/bin/more" not in failures(answer)


def test_what_is_learnt_under_no_policy_is_what_keylime_passes(
    running: Attesting,
) -> None:
    context, raw = running.bench.context, running.bench.guid.raw
    context.database.direct.count(Sql("DELETE FROM assignments"), ())
    context.stores.learnings.ask(raw, "test", context.now())
    assert running.attest()["failures"] == [["nothing-compared", KEPT]]
    learnt = context.stores.learnings.get(raw)
    hold_to_runtime(running, Learner(context).runtime(learnt, None, update=False), 2)
    assert running.attest()["verdict"] == "passed"


def test_a_list_that_nobody_judges_fails_nobody(running: Attesting) -> None:
    """Learning asks for PCR 10 in the quote, whatever the device is held to."""
    context, raw = running.bench.context, running.bench.guid.raw
    pinned = running.attester.allow(PCR)
    hold_to(running.bench, AttestationPolicy("values", 1, {PCR: tuple(pinned[PCR])}))
    context.stores.learnings.ask(raw, "test", context.now())
    running.ima_log = b""
    answer = running.attest()
    assert (answer["verdict"], answer["failures"]) == ("passed", [])
    learnt = context.stores.learnings.get(raw)
    with pytest.raises(PolicyError, match="shown no IMA list"):
        Learner(context).runtime(learnt, None, update=False)
    running.attester.tpm.extend(PCR, b"something else")
    context.stores.learnings.ask(raw, "test", context.now())
    assert f"PCR {PCR} holds another value" in failures(running.attest())


def test_a_list_that_is_not_the_one_that_was_shown_teaches_nothing(
    machine: "Machine",
) -> None:
    context, raw = machine.device.bench.context, machine.device.bench.guid.raw
    context.stores.learnings.ask(raw, "test", context.now())
    assert machine.attests().passed
    learnt = context.stores.learnings.get(raw)
    machine.restart()
    machine.attests(GOOD[0], GOOD[2])
    with pytest.raises(PolicyError, match="ask the device again"):
        Learner(context).runtime(learnt, None, update=False)


def test_what_was_measured_after_the_quote_waits_for_the_next(
    running: Attesting,
) -> None:
    running.ima_log = listed(*GOOD, EVIL)
    answer = running.attest()
    assert answer["verdict"] == "passed"
    compared = answer["compared"]
    assert isinstance(compared, list)
    assert compared[-1] == "ima-entries:3"


@pytest.mark.parametrize(
    ("log", "kind"),
    [(b"", "ima.no-list"), (b"nonsense\n", "ima.not-replayed"), (b"10", "ima.not")],
)
def test_no_list_is_no_pass(running: Attesting, log: bytes, kind: str) -> None:
    running.ima_log = log
    answer = running.attest()
    assert (answer["verdict"], answer["compared"]) == ("failed", [])
    assert kind in failures(answer)


@dataclass
class Machine:
    """The device with its kernel's list in a file, and its own agent."""

    device: Attesting
    log: Path
    nearby: Nearby
    power: "Callable[[], Tpm]"

    def restart(self) -> None:
        """Start anew, with nothing run yet."""
        tpm = self.power()
        tpm.extend(PCR, b"what booted")
        self.device.attester = Attester(tpm, self.device.attester.ak)
        self.log.write_bytes(b"")

    def attests(self, *run_since: Measured) -> Verdict:
        """Run some more, then attest."""
        run(self.device.attester.tpm, run_since)
        with self.log.open("ab") as file:
            file.write(listed(*run_since))
        logs = KernelLogs(ima=self.log)
        return attest(self.nearby, self.device.attester.tpm, "ecc", logs)

    @property
    def sent(self) -> list[tuple[object, object]]:
        """First entry and lines of each time evidence was handed over."""
        asked = self.nearby.sent("attest")
        return [(one["ima_first"], one["ima_log"]) for one in asked]


@pytest.fixture
def machine(running: Attesting, tmp_path: Path, power: "Callable[[], Tpm]") -> Machine:
    path = tmp_path / "list"
    path.write_bytes(listed(*GOOD))
    return Machine(running, path, Nearby(running), power)


@pytest.mark.both
def test_only_what_is_new_of_a_list_is_sent_and_all_of_it_is_judged(
    machine: Machine,
) -> None:
    allow(machine.device, (*GOOD, MORE), 2)
    assert machine.attests().passed
    assert machine.attests().passed
    verdict = machine.attests(MORE)
    assert (verdict.passed, verdict.noted("ima-entries")) == (True, "4")
    assert machine.sent == [(0, listed(*GOOD)), (3, b""), (3, listed(MORE))]
    asked = machine.device.asked()["ima_held"]
    assert isinstance(asked, dict)
    assert asked["bytes"] == machine.log.stat().st_size
    assert asked["pcr"] == extended((*GOOD, MORE), "sha256")

    verdict = machine.attests(EVIL)
    assert "/usr/bin/evil" in repr(verdict.failures)
    assert machine.sent[-1] == (4, listed(EVIL))
    allow(machine.device, GOOD, 3)  # what was judged good before is judged anew
    assert "/usr/bin/more" in repr(machine.attests().failures)
    assert machine.sent[-1] == (5, b"")


def test_a_long_list_comes_ahead_of_the_quote_in_parts(machine: Machine) -> None:
    many = [Measured(b"/opt/%d/" % number + b"x" * 400) for number in range(4000)]
    allow(machine.device, (*GOOD, *many), 2)
    verdict = machine.attests(*many)
    assert (verdict.passed, verdict.noted("ima-entries")) == (True, "4003")
    ahead = machine.nearby.sent("attest/log")
    sizes = [len(cast(bytes, one["ima_log"])) for one in ahead]
    assert len(sizes) == 3
    assert max(sizes) <= 1024 * 1024
    assert machine.sent == [(4003, b"")]


def test_a_machine_that_started_anew_sends_all_of_its_list(machine: Machine) -> None:
    assert machine.attests().passed
    machine.restart()
    assert machine.attests(*GOOD[:2]).passed
    assert machine.sent == [(0, listed(*GOOD)), (0, listed(*GOOD[:2]))]


def test_a_list_that_does_not_go_on_is_asked_for_anew_and_passes_if_true(
    machine: Machine,
) -> None:
    """After a start with a list as long as the old one only the quote tells."""
    assert machine.attests().passed
    machine.restart()
    other = (GOOD[0], GOOD[2], GOOD[1])
    assert sum(map(len, map(Measured.line, other))) == len(listed(*GOOD))
    assert machine.attests(*other).passed
    assert machine.sent[1:] == [(3, b""), (0, listed(*other))]


def test_a_list_that_was_changed_is_refused_with_the_line_that_differs(
    machine: Machine,
) -> None:
    assert machine.attests().passed
    machine.log.write_bytes(listed(GOOD[0], GOOD[2], GOOD[1]))
    run(machine.device.attester.tpm, [EVIL])
    verdict = machine.attests()
    assert not verdict.passed
    assert "entry 1 was 10 " in verdict.failures[0]
    assert "/usr/bin/app" in verdict.failures[0]
    assert [first for first, _ in machine.sent] == [0, 3, 0]
    machine.log.write_bytes(listed(*GOOD, EVIL))
    assert "/usr/bin/evil" in repr(machine.attests().failures)


def test_a_list_over_the_limit_is_refused_with_what_to_do(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    power: "Callable[[], Tpm]",
    databases: NewDatabase,
) -> None:
    """Nothing is judged then, so the lease runs out."""
    many = [Measured(b"/opt/%d" % number) for number in range(20)]
    attester = measured(power())
    run(attester.tpm, many)
    with attesting_device(
        tmp_path, keylime_stack, attester, databases, ima_list_entries=16
    ) as device:
        allow(device, many)
        device.ima_log = listed(*many)
        with pytest.raises(Problem, match="16 entries") as refused:
            device.attest()
        assert refused.value.code == "ima-list-too-long"
        assert "VOUCHGATE_IMA_LIST_ENTRIES" in (refused.value.remedy or "")
        with pytest.raises(Problem, match="16 entries"):
            device.channel.log(device.call({"ima_log": listed(*many)}))
