"""Answers that are kept: the contract, on SQLite and PostgreSQL."""

from onboarding.store.database import Database
from onboarding.store.idempotency import IdempotencyStore, Known
from tests.support.store_records import NOW, digest, race

ASKED, OTHER = digest("asked"), digest("other")


def test_one_claims_and_the_others_see_what_it_kept(database: Database) -> None:
    store = IdempotencyStore(database)
    assert store.claim("key", "name", ASKED, NOW) is None
    assert store.claim("key", "name", OTHER, NOW) == Known(ASKED, None)
    store.answered("key", "name", NOW, b"sealed")
    store.answered("key", "name", NOW, b"another")
    assert store.claim("key", "name", OTHER, NOW + 1) == Known(ASKED, b"sealed")
    assert store.claim("other key", "name", ASKED, NOW) is None
    assert store.claim("key", "other name", ASKED, NOW) is None


def test_of_many_who_claim_one_wins(database: Database) -> None:
    store = IdempotencyStore(database)
    claims = race(*[lambda: store.claim("key", "name", ASKED, NOW)] * 8)
    assert sum(claim is None for claim in claims) == 1


def test_what_was_dropped_may_be_claimed_anew(database: Database) -> None:
    store = IdempotencyStore(database)
    store.claim("key", "name", ASKED, NOW)
    store.drop("key", "name", NOW)
    assert store.claim("key", "name", OTHER, NOW) is None
    store.answered("key", "name", NOW, b"sealed")
    store.drop("key", "name", NOW)
    assert store.claim("key", "name", OTHER, NOW) == Known(OTHER, b"sealed")


def test_who_died_at_it_holds_it_only_so_long(database: Database) -> None:
    store = IdempotencyStore(database, keep=1000, work=60)
    store.claim("key", "name", ASKED, NOW)
    assert store.claim("key", "name", ASKED, NOW + 59) == Known(ASKED, None)
    assert store.claim("key", "name", ASKED, NOW + 60) is None
    store.answered("key", "name", NOW, b"too late")
    assert store.claim("key", "name", ASKED, NOW + 61) == Known(ASKED, None)


def test_answers_are_forgotten_when_they_were_kept_long_enough(
    database: Database,
) -> None:
    store = IdempotencyStore(database, keep=1000)
    store.claim("key", "name", ASKED, NOW)
    store.answered("key", "name", NOW, b"sealed")
    assert store.claim("key", "name", OTHER, NOW + 999) == Known(ASKED, b"sealed")
    assert store.prune(NOW + 999) == 0
    assert store.claim("key", "name", OTHER, NOW + 1000) is None
    assert store.prune(NOW + 2000) == 1
