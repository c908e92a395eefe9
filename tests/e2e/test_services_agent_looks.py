"""The owner's own look at a pull agent: what a verifier's pass needs beside it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.results import Contact
from attestation.keylime.stack import KeylimeStack
from onboarding.services.agent_looks import AgentLooks
from onboarding.services.agent_quotes import AgentQuotes
from onboarding.services.appraising import Judgement, keep
from onboarding.services.errors import Problem
from onboarding.store.appraisals import AppraisalRecord, Outcome
from tests.support.attester import Attester
from tests.support.attesting import BACK, PCR, Attesting, attesting_device, put_ahead
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured
from tests.support.pull_agent import HOST, PullAgent
from tests.support.running import hold_to_list, run, runtime_policy
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytestmark = pytest.mark.sqlite_first

GOOD = (Measured(b"boot_aggregate"), Measured(b"/usr/bin/app", digest=b"\1" * 32))
MORE = Measured(b"/usr/bin/more", digest=b"\3" * 32)
EVIL = Measured(b"/usr/bin/evil", digest=b"\2" * 32)


class Listing(PullAgent):
    """One that notes from which entry on its list was asked for, and may lie of it."""

    def __init__(self, attester: Attester, client_ca: Path, directory: Path) -> None:
        super().__init__(attester, client_ca, directory)
        self.asked: list[int] = []
        self.begins: int | None = None

    def answer(self, path: str) -> dict[str, Any] | None:
        query = parse_qs(urlsplit(path).query)
        self.asked += [int(one) for one in query.get("ima_ml_entry", ())]
        found = super().answer(path)
        if found is not None and self.begins is not None:
            found["ima_measurement_list_entry"] = self.begins
        return found

    def runs(self, tpm: "Tpm", *entries: Measured) -> None:
        with self.lock:
            run(tpm, entries)
            self.ran = [*self.ran, *(one.line() for one in entries)]


@dataclass
class Looked:
    """A device with its agent, and the owner who looks at it."""

    device: Attesting
    agent: Listing
    looks: AgentLooks

    def runs(self, *entries: Measured) -> None:
        self.agent.runs(self.device.attester.tpm, *entries)

    def look(self) -> Judgement:
        bench, agent = self.device.bench, self.agent
        bench.clock.now += 1
        situation = bench.gate.situation(bench.guid.raw)
        assert situation.policy is not None
        contact = Contact(HOST, agent.port, agent.certificate)
        return self.looks.look(situation, situation.policy, contact).made

    def stored(self) -> AppraisalRecord:
        return keep(self.device.bench.context, self.look(), "test")


@pytest.fixture
def looked(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> Iterator[Looked]:
    """Under a policy of PCRs, and of what may run, with a TPM of its own."""
    from hw.tpm import Tpm

    software = make_software_tpm(tmp_path.name)
    with Tpm(software.start()) as tpm:
        tpm.extend(PCR, b"what booted")
        with looking(tmp_path, keylime_stack, tpm, databases) as found:
            yield found
    software.stop()


@contextmanager
def looking(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Looked]:
    attester = Attester(tpm, tpm.create_attestation_key("rsa"))
    where = keylime_stack.client_settings()
    with attesting_device(
        tmp_path, keylime_stack, attester, databases, ima_list_bytes=8192
    ) as device:
        pinned, allowed = attester.allow(PCR), runtime_policy((*GOOD, MORE))
        hold_to_list(device.bench, pinned, allowed)
        with closing(Listing(attester, where.ca, tmp_path)) as agent:
            agents, link = AgentQuotes(where.cert, where.key), device.link
            looks = AgentLooks(device.bench.context, agents, link.client)
            found = Looked(device, agent, looks)
            found.runs(*GOOD)
            yield found


@pytest.mark.both
def test_what_ran_is_judged_here_and_only_what_is_new_is_asked_for(
    looked: Looked,
) -> None:
    passed = looked.stored()
    shown = (f"pcr:sha256:{PCR}", "ima:sha256:10", "ima-entries:2")
    assert (passed.channel, passed.compared) == ("pull", shown)
    assert passed.clock is not None
    stores, raw = looked.device.bench.context.stores, passed.guid
    assert passed.ek_class == stores.bindings.get(raw).ek_class
    assert stores.appraisals.get(passed.id) == passed
    assert stores.quotes.get(passed.evidence_digest)
    looked.runs(MORE)
    assert looked.stored().compared[-1] == "ima-entries:3"
    assert looked.look().passed
    assert looked.agent.asked == [0, 2, 3]

    looked.runs(EVIL)
    failed = looked.stored()
    assert "/usr/bin/evil" in failed.failures[0].message
    assert looked.agent.asked[-1] == 3


def test_a_list_that_leaves_a_file_out_is_asked_for_whole_and_is_not_true(
    looked: Looked,
) -> None:
    assert looked.look().passed
    looked.runs(EVIL, MORE)
    looked.agent.ran = [one.line() for one in (*GOOD, MORE)]
    made = looked.look()
    assert [one.kind for one in made.record.failures] == ["ima.not-replayed"]
    assert looked.agent.asked == [0, 2, 0]
    looked.agent.ran = []
    made = looked.look()
    assert [one.kind for one in made.record.failures] == ["ima.no-list"]


def test_a_list_from_elsewhere_or_over_the_limit_is_no_verdict(looked: Looked) -> None:
    looked.agent.begins = 1
    with pytest.raises(KeylimeError, match="an IMA list from entry 1 on"):
        looked.look()
    looked.agent.begins = None
    looked.runs(*(Measured(b"/opt/%d/" % n + b"x" * 200) for n in range(40)))
    with pytest.raises(Problem) as refused:
        looked.look()
    assert refused.value.code == "ima-list-too-long"


@pytest.mark.parametrize("name", list(BACK))
def test_whatever_went_back_fails_and_does_not_become_the_new_measure(
    looked: Looked, name: str
) -> None:
    assert looked.stored().outcome is Outcome.PASSED
    put_ahead(looked.device.bench, **{name: 1 << 23})
    for _ in range(2):
        made = looked.look()
        assert not made.by_policy  # so in an update window, too
        failed = keep(looked.device.bench.context, made, "test")
        assert [one.kind for one in failed.failures] == [BACK[name]]
