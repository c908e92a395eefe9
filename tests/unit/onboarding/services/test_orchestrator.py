"""Background work: claimed, done, tried again, and ended with grace."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from onboarding.services import orchestrator
from onboarding.services.errors import ServicesError
from onboarding.services.orchestrator import SLOTS, Orchestrator, Work
from onboarding.store.direct import Sql
from onboarding.store.tasks import Task
from tests.support.databases import NewDatabase
from tests.support.owner_bench import OwnerBench, owner_bench

KIND = "errand"


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases) as made:
        yield made


def serve(bench: OwnerBench, work: Work, until: threading.Event) -> None:
    """Run the orchestrator until the work says that it has seen enough."""

    async def run() -> None:
        lifespan = asynccontextmanager(Orchestrator(bench.context, {KIND: work}).run)
        async with lifespan():
            assert await asyncio.to_thread(until.wait, 60)

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
            assert last.wait(60)  # so it ends after all the others, or not at all
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


class Listening(logging.Handler):
    """Calls back once something is logged that begins so."""

    def __init__(self, words: str, heard: Callable[[], object]) -> None:
        super().__init__()
        self._words = words
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(self._words):
            self._heard()


@contextmanager
def listening(words: str, heard: Callable[[], object]) -> Iterator[None]:
    handler = Listening(words, heard)
    orchestrator.log.addHandler(handler)
    try:
        yield
    finally:
        orchestrator.log.removeHandler(handler)


def test_a_database_that_fails_at_the_wrong_moment_ends_no_loop(
    bench: OwnerBench,
) -> None:
    tasks, seen = bench.context.stores.tasks, threading.Event()
    direct = bench.context.database.direct

    def work(task: Task, worker: str) -> None:
        if task.subject == "bad":
            direct.count(Sql("ALTER TABLE tasks RENAME TO tasks_away"))
        tasks.done(task, worker)
        seen.set()

    def mend() -> None:
        direct.count(Sql("ALTER TABLE tasks_away RENAME TO tasks"))
        tasks.enqueue(KIND, "good", bench.context.now())

    tasks.enqueue(KIND, "bad", bench.context.now())
    with listening("could not put task", mend):
        serve(bench, work, seen)
    (left,) = tasks.pending(KIND)
    assert left.subject == "bad"  # until its claim runs out


def test_a_bug_of_ours_ends_the_loop_loudly(bench: OwnerBench) -> None:
    tasks, seen = bench.context.stores.tasks, threading.Event()

    def work(_task: Task, _worker: str) -> None:
        raise ZeroDivisionError

    tasks.enqueue(KIND, "a", bench.context.now())
    with (
        listening("background work has ended", seen.set),
        pytest.raises(ZeroDivisionError),
    ):
        serve(bench, work, seen)


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
    tmp_path: Path, databases: NewDatabase
) -> None:
    with owner_bench(tmp_path, databases, background=False) as bench:
        tasks, never = bench.context.stores.tasks, threading.Event()
        never.set()
        tasks.enqueue(KIND, "a", bench.context.now())
        serve(bench, lambda task, worker: pytest.fail("it worked"), never)
        assert len(tasks.pending(KIND)) == 1
