"""Tasks that are planned anew, put off and listed, on SQLite and PostgreSQL."""

import pytest

from onboarding.store.database import Database
from onboarding.store.tasks import Backlog, TaskStore
from tests.support.store_records import NOW

KIND = "to0"


@pytest.fixture
def tasks(database: Database) -> TaskStore:
    return TaskStore(database)


def test_what_is_put_off_carries_what_it_was_given(tasks: TaskStore) -> None:
    tasks.urge(KIND, "a", NOW)
    (task,) = tasks.claim(KIND, "w", NOW, 60)
    assert tasks.again(task, "w", NOW + 30, "not yet", b"payload")
    found = tasks.find(KIND, "a")
    assert found is not None
    assert (found.payload, found.due, found.last_error) == (
        b"payload",
        NOW + 30,
        "not yet",
    )
    (task,) = tasks.claim(KIND, "w", NOW + 30, 60)
    assert tasks.again(task, "w", NOW + 60)
    (task,) = tasks.claim(KIND, "w", NOW + 60, 60)
    assert (task.payload, task.last_error) == (b"payload", None)


def test_what_is_planned_already_is_not_planned_anew(tasks: TaskStore) -> None:
    tasks.add(KIND, [("a", b"first"), ("b", b"")], NOW)
    (a, b) = tasks.claim(KIND, "w", NOW, 60)
    tasks.add(KIND, [("a", b"second"), ("c", b"")], NOW)
    assert tasks.done(a, "w")
    assert tasks.done(b, "w")
    assert [one.subject for one in tasks.pending(KIND)] == ["c"]
    tasks.add(KIND, [("a", b"third")], NOW)
    found = tasks.find(KIND, "a")
    assert found is not None
    assert found.payload == b"third"


def test_urging_keeps_the_payload_and_outlasts_a_claim_under_way(
    tasks: TaskStore,
) -> None:
    tasks.enqueue(KIND, "a", NOW, b"payload")
    (task,) = tasks.claim(KIND, "w", NOW, 60)
    tasks.urge(KIND, "a", NOW + 5)
    assert not tasks.again(task, "w", NOW + 999, "", b"stale")
    (again,) = tasks.claim(KIND, "other", NOW + 5, 60)
    assert (again.payload, again.generation) == (b"payload", task.generation + 1)


def test_all_of_a_kind_are_urged_however_many(tasks: TaskStore) -> None:
    for number in range(600):
        tasks.enqueue(KIND, f"{number:04}", NOW + 1000 + number)
    tasks.enqueue("enrol", "a", NOW + 1000)
    assert tasks.backlog(KIND, NOW) == Backlog(600, 0, 0)
    assert tasks.urge_all(KIND, NOW) == 600
    assert tasks.backlog(KIND, NOW) == Backlog(600, 600, 0)
    assert tasks.backlog("enrol", NOW) == Backlog(1, 0, 0)


def test_tasks_are_listed_by_subject_and_the_failing_ones_by_themselves(
    tasks: TaskStore,
) -> None:
    for number in range(7):
        tasks.enqueue(KIND, f"{number}", NOW + 7 - number)
    for task in tasks.claim(KIND, "w", NOW + 7, 60, 3):
        tasks.again(task, "w", NOW + 99, "refused")
    first = tasks.page(KIND, None, 4)
    second = tasks.page(KIND, first.cursor, 4)
    subjects = [one.subject for one in (*first.items, *second.items)]
    assert subjects == [f"{number}" for number in range(7)]
    assert second.cursor is None
    failing = tasks.page(KIND, None, 4, failing=True).items
    assert [one.subject for one in failing] == ["4", "5", "6"]
    assert tasks.backlog(KIND, NOW) == Backlog(7, 0, 3)
