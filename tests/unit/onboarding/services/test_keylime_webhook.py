"""Keylime's notifications: what is made of one, and when it is to come again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.services import reconcile
from onboarding.services.keylime_webhook import Webhook
from onboarding.store.direct import Sql
from tests.support.databases import NewDatabase
from tests.support.owner_bench import OwnerBench, owner_bench

KIND = "ima.validation.ima-ng.not_in_allowlist"
WORDS = "File not found in allowlist: /usr/bin/app"


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases=databases) as made:
        yield made


def notification(agent: object) -> bytes:
    """As Keylime 7.14.3 sends it, cut down to what is read."""
    context = json.dumps({"message": WORDS})
    event = {"agent_id": str(agent), "event_id": KIND, "context": context}
    return json.dumps({"msg": json.dumps(event), "signature": ""}).encode()


def test_a_notification_plans_a_look_with_its_words(bench: OwnerBench) -> None:
    assert Webhook(bench.context).take(notification(bench.guid)) == 200
    tasks = bench.context.stores.tasks
    planned = tasks.find(reconcile.KIND, bench.guid.raw.hex())
    assert planned is not None
    assert json.loads(planned.payload.removeprefix(reconcile.TOLD)) == [KIND, WORDS]


def test_of_a_stranger_nothing_is_planned(bench: OwnerBench) -> None:
    stranger = notification("8bb1e6ab-31a5-4b7c-8a0e-6a3d2b7c9f10")
    assert Webhook(bench.context).take(stranger) == 200
    assert bench.context.stores.tasks.pending(reconcile.KIND) == ()


def test_one_that_the_database_does_not_take_is_to_come_again(
    bench: OwnerBench,
) -> None:
    bench.context.database.direct.count(Sql("ALTER TABLE tasks RENAME TO away"))
    assert Webhook(bench.context).take(notification(bench.guid)) == 503
    bench.context.database.direct.count(Sql("ALTER TABLE away RENAME TO tasks"))
    assert Webhook(bench.context).take(notification(bench.guid)) == 200
