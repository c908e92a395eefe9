"""Background work: claimed, done, tried again, and ended with grace."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from onboarding.services import orchestrator
from onboarding.services.errors import ServicesError
from onboarding.services.orchestrator import SLOTS, Orchestrator, Work
from onboarding.store.tasks import Task
from tests.support.owner_bench import OwnerBench, owner_bench

KIND = "errand"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path) as made:
        yield made


def serve(bench: OwnerBench, work: Work, until: threading.Event) -> None:
    """Run the orchestrator until the work says that it has seen enough."""

    async def run() -> None:
        lifespan = asynccontextmanager(Orchestrator(bench.context, {KIND: work}).run)
        async with lifespan():
            assert await asyncio.to_thread(until.wait, 20)

    asyncio.run(run())


def test_a_task_is_done_once(bench: OwnerBench) -> None:
    tasks, seen = bench.context.stores.tasks, threading.Event()
    subjects: list[str] = []

    def work(task: Task, worker: str) -> None:
        subjects.append(task.subject)
        tasks.done(task, worker)
        if len(subjects) == 3:
            seen.set()

    for subject in ("a", "b", "c"):
        tasks.enqueue(KIND, subject, bench.context.now())
    serve(bench, work, seen)
    assert sorted(subjects) == ["a", "b", "c"]
    assert not tasks.pending(KIND)


def test_a_task_that_fails_is_put_off_and_the_others_go_on(
    bench: OwnerBench, caplog: pytest.LogCaptureFixture
) -> None:
    tasks, seen = bench.context.stores.tasks, threading.Event()

    def work(task: Task, worker: str) -> None:
        if task.subject == "bad":
            raise ServicesError("no such luck")
        tasks.done(task, worker)
        seen.set()

    tasks.enqueue(KIND, "bad", bench.context.now() - 1)
    tasks.enqueue(KIND, "good", bench.context.now())
    serve(bench, work, seen)
    (left,) = tasks.pending(KIND)
    assert (left.subject, left.last_error) == ("bad", "ServicesError")
    assert left.due > bench.context.now()
    assert "no such luck" in caplog.text


def test_a_task_that_takes_long_holds_up_no_other(bench: OwnerBench) -> None:
    tasks, seen, last = bench.context.stores.tasks, threading.Event(), threading.Event()
    subjects: list[str] = []

    def work(task: Task, worker: str) -> None:
        if task.subject == "long":
            assert last.wait(20)  # so it ends after all the others, or not at all
            seen.set()
        subjects.append(task.subject)
        tasks.done(task, worker)
        if len(subjects) == 3 * SLOTS:
            last.set()

    tasks.enqueue(KIND, "long", bench.context.now() - 1)
    for number in range(3 * SLOTS):
        tasks.enqueue(KIND, str(number), bench.context.now())
    serve(bench, work, seen)
    assert subjects[-1] == "long"
    assert not tasks.pending(KIND)


def test_a_bug_of_ours_ends_the_loop_loudly(
    bench: OwnerBench, caplog: pytest.LogCaptureFixture
) -> None:
    tasks, seen = bench.context.stores.tasks, threading.Event()

    def work(_task: Task, _worker: str) -> None:
        raise ZeroDivisionError

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.CRITICAL:
                seen.set()

    tasks.enqueue(KIND, "a", bench.context.now())
    heard = Heard()
    orchestrator.log.addHandler(heard)
    with pytest.raises(ZeroDivisionError):
        serve(bench, work, seen)
    orchestrator.log.removeHandler(heard)
    assert "background work has ended" in caplog.text


def test_what_was_begun_is_finished_before_the_service_ends(
    bench: OwnerBench,
) -> None:
    tasks, begun = bench.context.stores.tasks, threading.Event()
    finished: list[str] = []

    def work(task: Task, worker: str) -> None:
        begun.set()
        threading.Event().wait(0.3)
        tasks.done(task, worker)
        finished.append(task.subject)

    tasks.enqueue(KIND, "long", bench.context.now())
    serve(bench, work, begun)
    assert finished == ["long"]


def test_a_replica_without_background_work_leaves_tasks_alone(
    tmp_path: Path,
) -> None:
    with owner_bench(tmp_path, background=False) as bench:
        tasks, never = bench.context.stores.tasks, threading.Event()
        never.set()
        tasks.enqueue(KIND, "a", bench.context.now())
        serve(bench, lambda task, worker: pytest.fail("it worked"), never)
        assert len(tasks.pending(KIND)) == 1
