"""Rounds over the push channel, by the real verifier's list of its agents."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.keylime.push_ports import TpmPort
from attestation.keylime.stack import KeylimeStack
from hw.errors import TpmError
from hw.evidence import Quote
from onboarding.services import reconcile, reconcile_round
from onboarding.services.reconcile import ReconcileWork
from onboarding.services.reconcile_round import ReconcileRound
from onboarding.store.appraisals import Outcome
from onboarding.store.tasks import Task
from tests.support.attester import Attester, attest, completed
from tests.support.attesting import PCR
from tests.support.databases import NewDatabase
from tests.support.pushing import Pushing, pushing_device


class Hesitant(TpmPort):
    """A device that is asked for evidence and does not give any."""

    def quote(self, nonce: bytes, bank: str, pcrs: tuple[int, ...]) -> Quote:
        raise TpmError("not now")


@pytest.fixture
def pushing(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    pusher: Attester,
    databases: NewDatabase,
) -> Iterator[Pushing]:
    pusher.tpm.extend(PCR, b"what booted")
    with pushing_device(tmp_path, keylime_stack, pusher, databases=databases) as device:
        bench = device.bench
        bench.clock.now = time.time()  # Keylime's own clock says when it took it
        bindings = bench.context.stores.bindings
        bound = bindings.get(bench.guid.raw)
        bindings.put(replace(bound, bound_at=bench.context.now() - 60), "test")
        device.enrol()
        yield device


def news(pushing: Pushing) -> tuple[Task, ...]:
    """The looks that a round plans."""
    bench = pushing.bench
    context, tasks = bench.context, bench.context.stores.tasks
    bench.clock.now = max(bench.clock.now + 60, time.time())
    for task in tasks.claim(reconcile.KIND, "before", context.now(), 60):
        tasks.done(task, "before")
    reconcile_round.begin(context.stores, context.now())
    rounds = ReconcileRound(context, pushing.link)
    for task in tasks.claim(reconcile_round.KIND, "test", context.now(), 60):
        rounds.run(task, "test")
    planned = tasks.backlog(reconcile_round.KIND, context.now())
    assert (planned.planned, planned.failing) == (2, 0)
    return tasks.claim(reconcile.KIND, "test", context.now(), 60)


def look(pushing: Pushing, task: Task) -> None:
    bench = pushing.bench
    ReconcileWork(bench.context, bench.gate, pushing.link).run(task, "test")


def concluded(pushing: Pushing) -> Outcome:
    """What the device's state rests on; two may be of the same second."""
    found = pushing.bench.gate.situation(pushing.bench.guid.raw).appraisal
    assert found is not None
    return found.outcome


def test_a_device_is_looked_at_when_it_has_been_heard_of_and_not_again(
    pushing: Pushing,
) -> None:
    assert news(pushing) == ()  # it is enrolled, and has said nothing yet
    agent = pushing.push_agent()
    attest(agent)
    completed(pushing.client, pushing.agent, 0)
    (task,) = news(pushing)
    (again,) = news(pushing)  # nobody has looked yet
    assert again.payload == task.payload
    look(pushing, again)
    assert concluded(pushing) is Outcome.PASSED
    assert news(pushing) == ()
    pushing.attester.tpm.extend(PCR, b"something else")
    attest(agent)
    completed(pushing.client, pushing.agent, 1)
    (task,) = news(pushing)
    look(pushing, task)
    assert concluded(pushing) is Outcome.FAILED
    assert news(pushing) == ()


def test_a_device_that_the_verifier_has_lost_is_not_heard_of(pushing: Pushing) -> None:
    attest(pushing.push_agent())
    completed(pushing.client, pushing.agent, 0)
    assert len(news(pushing)) == 1
    pushing.client.unenrol(pushing.agent)
    assert news(pushing) == ()


def test_news_of_a_device_that_is_attesting_just_now_stays_news(
    pushing: Pushing,
) -> None:
    agent = pushing.push_agent()
    attest(agent)
    completed(pushing.client, pushing.agent, 0)
    (task,) = news(pushing)
    one = pushing.attester
    agent.port = Hesitant(one.tpm, one.ak)
    with pytest.raises(TpmError, match="not now"):
        attest(agent)
    look(pushing, task)
    assert len(news(pushing)) == 1
