"""Webhooks and their outbox: the contract, on SQLite and PostgreSQL."""

from collections import Counter

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event
from onboarding.store.webhook_records import Claim
from onboarding.store.webhooks import WebhookStore
from tests.support.store_records import NOW, race

URL = "https://receiver.example/events"
LEASE = 60


def happens(database: Database, *causes: str) -> None:
    EventLog(database).append(*(Event(cause, "test", NOW) for cause in causes))


def added(store: WebhookStore, *causes: str) -> str:
    return store.add(URL, causes, b"sealed", "test", NOW).id


def spread(store: WebhookStore) -> None:
    while store.spread(NOW):
        pass


def claimed(store: WebhookStore, now: int = NOW) -> list[Claim]:
    spread(store)
    return sorted(store.claim(now, LEASE, 100, 100), key=lambda one: one.seq)


def test_a_webhook_is_told_of_what_happens_after_it_was_made(
    database: Database,
) -> None:
    store = WebhookStore(database)
    happens(database, "device.bound")
    hook = added(store)
    assert claimed(store) == []
    happens(database, "release.allowed", "device.bound")
    head = EventLog(database).head()
    assert [(one.webhook, one.seq) for one in claimed(store)] == [
        (hook, head - 1),
        (hook, head),
    ]
    assert claimed(store) == []


def test_only_causes_that_were_asked_for_are_told(database: Database) -> None:
    store = WebhookStore(database)
    added(store, "release", "voucher.refused")
    first = EventLog(database).head()
    happens(database, "released.not", "voucher.added", "release.denied", "x")
    assert [one.seq - first for one in claimed(store)] == [1, 3]


def test_what_was_taken_is_gone_and_what_was_not_comes_again(
    database: Database,
) -> None:
    store = WebhookStore(database)
    hook = added(store)
    happens(database, "a", "b")
    one, other = claimed(store)
    store.delivered(one, NOW + 1)
    store.failed(other, NOW + 1, NOW + 9, "it answered 500", 500)
    assert store.get(hook).delivered_at == NOW + 1
    assert claimed(store, NOW + 8) == []
    (again,) = claimed(store, NOW + 9)
    assert (again.seq, again.attempt) == (other.seq, 2)


def test_who_dies_with_a_delivery_leaves_it_to_others(database: Database) -> None:
    store = WebhookStore(database)
    added(store)
    happens(database, "a")
    (dead,) = claimed(store)
    assert claimed(store, NOW + LEASE - 1) == []
    (alive,) = claimed(store, NOW + LEASE)
    assert alive.seq == dead.seq
    store.failed(dead, NOW + LEASE, None, "too late", None)
    store.delivered(alive, NOW + LEASE)
    assert store.counts() == (0, 0)


def test_what_is_given_up_is_kept_until_it_is_taken_up_again(
    database: Database,
) -> None:
    store = WebhookStore(database)
    hook = added(store)
    happens(database, "a", "b")
    for one in claimed(store):
        store.failed(one, NOW, None, "it answered 500", 500)
    assert store.counts() == (0, 2)
    page = store.page(hook, None, 1, dead=True)
    (newest,) = page.items
    assert (newest.dead, newest.error, newest.status) == (True, "it answered 500", 500)
    (oldest,) = store.page(hook, page.cursor, 5, dead=True).items
    assert oldest.seq == newest.seq - 1
    assert store.redeliver(hook, NOW, oldest.seq) == 1
    with pytest.raises(NotFound):
        store.redeliver(hook, NOW, oldest.seq)
    (again,) = claimed(store)
    assert (again.seq, again.attempt) == (oldest.seq, 1)
    assert store.redeliver(hook, NOW) == 1
    assert store.prune(NOW + 1) == 0


def test_dead_letters_are_forgotten_when_they_are_old(database: Database) -> None:
    store = WebhookStore(database)
    hook = added(store)
    happens(database, "a")
    (one,) = claimed(store)
    store.failed(one, NOW, None, "no answer", None)
    assert store.prune(NOW) == 0
    assert store.prune(NOW + 1) == 1
    assert store.page(hook, None, 5, dead=False).items == ()


def test_a_stopped_webhook_gets_its_events_when_it_is_resumed(
    database: Database,
) -> None:
    store = WebhookStore(database)
    hook = added(store, "a")
    store.stop(hook, "it answered 410 Gone", "task", NOW)
    happens(database, "a")
    assert claimed(store) == []
    assert store.get(hook).disabled == "it answered 410 Gone"
    store.resume(hook, "test", NOW)
    assert len(claimed(store)) == 1


def test_a_removed_webhook_takes_its_deliveries_with_it(database: Database) -> None:
    store = WebhookStore(database)
    hook = added(store)
    happens(database, "a")
    spread(store)
    assert store.counts() == (1, 0)
    store.remove(hook, "test", NOW)
    assert store.counts() == (0, 0)
    with pytest.raises(NotFound):
        store.remove(hook, "test", NOW)


def test_much_that_waits_for_one_webhook_leaves_room_for_the_others(
    database: Database,
) -> None:
    store = WebhookStore(database)
    crowded, quiet = added(store, "a"), added(store, "b")
    happens(database, *["a"] * 50, "b")
    spread(store)
    first = Counter(one.webhook for one in store.claim(NOW, LEASE, 8, 4))
    assert first == {crowded: 4, quiet: 1}
    assert store.claim(NOW, LEASE, 3, 4, first) == ()
    happens(database, "b")
    spread(store)
    busy = {crowded: 3}
    (one,) = store.claim(NOW, LEASE, 1, 4, busy)  # whose turn comes first
    assert one.webhook == quiet
    more = store.claim(NOW, LEASE, 8, 4, busy)
    assert [one.webhook for one in more] == [crowded]


def test_replicas_share_an_outbox_and_none_sends_twice(database: Database) -> None:
    store = WebhookStore(database)
    added(store)
    added(store)
    happens(database, *["a"] * 30)

    def work() -> list[Claim]:
        spread(store)
        return list(store.claim(NOW, LEASE, 200, 200))

    taken: list[Claim] = []
    for part in race(*[work] * 4):
        assert not isinstance(part, Exception)
        taken += part
    taken += claimed(store)
    keys = [(one.webhook, one.seq) for one in taken]
    # The second webhook's making is an event for the first one.
    assert len(keys) == len(set(keys)) == 61
