"""API keys, tasks and server keys: the contract, on both databases."""

from base64 import urlsafe_b64decode

import pytest

from onboarding.store.apikeys import ApiKey, ApiKeyStore, Role
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import (
    ApiKeyRefused,
    InvalidRecord,
    NotFound,
    StoreUnavailable,
    TokenRefused,
)
from onboarding.store.event_log import EventLog
from onboarding.store.server_keys import RELOAD_SECONDS, ROTATE_SECONDS, ServerKeys
from onboarding.store.tasks import Task, TaskStore
from tests.support.store_records import ACTOR, NOW, race

WRAPPING = b"test wrapping key, thirty-two by"


def test_a_token_opens_its_key_and_only_its_digest_is_kept(database: Database) -> None:
    keys = ApiKeyStore(database)
    key, token = keys.create("ci", Role.OPERATOR, ACTOR, NOW)
    assert keys.verify(token, NOW) == key
    assert keys.list() == (key,)
    stored = database.direct.rows(Sql("SELECT * FROM api_keys"))
    secret = token.split("_", 2)[2]
    assert secret not in repr(stored)
    assert secret not in repr(EventLog(database).page().items)


def test_a_key_keeps_the_scopes_it_was_made_with(database: Database) -> None:
    keys, scopes = ApiKeyStore(database), ("vouchers", "api-keys:read")
    key, token = keys.create("ci", Role.OPERATOR, ACTOR, NOW, scopes=scopes)
    assert key.scopes == scopes
    assert keys.verify(token, NOW) == keys.living(key.id, NOW) == key
    assert keys.list() == (key,)
    for wrong in ("", "Vouchers", "a b", "a:write", "a:read:read", "x" * 33):
        with pytest.raises(InvalidRecord):
            keys.create("ci", Role.OPERATOR, ACTOR, NOW, scopes=(wrong,))


def test_a_wrong_key_is_refused_always_in_the_same_words(database: Database) -> None:
    keys = ApiKeyStore(database)
    key, token = keys.create("ci", Role.ADMIN, ACTOR, NOW)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    forged = [
        flipped,
        token + "x",
        token[3:],
        f"vg_{key.id}_",
        f"vg_unknown_{token.split('_', 2)[2]}",
        "vg__",
        "",
        "vg_" + "x" * 500,
        "vg_é_\ud800",
    ]
    for wrong in forged:
        with pytest.raises(ApiKeyRefused, match=r"^the API key is not valid$"):
            keys.verify(wrong, NOW)


def test_a_key_ends_when_it_expires_or_is_revoked(database: Database) -> None:
    keys = ApiKeyStore(database)
    _, short = keys.create("short", Role.SECURITY, ACTOR, NOW, NOW + 60)
    key, token = keys.create("long", Role.SECURITY, ACTOR, NOW)
    keys.verify(short, NOW + 59)
    with pytest.raises(ApiKeyRefused):
        keys.verify(short, NOW + 60)
    keys.revoke(key.id, ACTOR, NOW + 1)
    keys.revoke(key.id, ACTOR, NOW + 2)
    with pytest.raises(ApiKeyRefused):
        keys.verify(token, NOW + 1)
    assert [k.revoked_at for k in keys.list() if k.id == key.id] == [NOW + 1]
    with pytest.raises(NotFound):
        keys.revoke("unknown", ACTOR, NOW)


@pytest.mark.parametrize(
    ("name", "expires"), [("", None), ("x" * 101, None), ("x", NOW)]
)
def test_a_key_that_makes_no_sense_is_not_made(
    database: Database, name: str, expires: int | None
) -> None:
    with pytest.raises(InvalidRecord):
        ApiKeyStore(database).create(name, Role.ADMIN, ACTOR, NOW, expires)


def claim(tasks: TaskStore, worker: str, now: int = NOW) -> tuple[Task, ...]:
    """Up to three due TO0 tasks for a minute."""
    return tasks.claim("to0", worker, now, 60, 3)


def test_a_task_is_claimed_when_it_is_due_and_ends_when_done(
    database: Database,
) -> None:
    tasks = TaskStore(database)
    tasks.enqueue("to0", "guid", NOW, b"payload")
    assert claim(tasks, "w", NOW - 1) == ()
    (task,) = claim(tasks, "w")
    assert (task.subject, task.payload, task.attempts) == ("guid", b"payload", 1)
    assert claim(tasks, "other") == ()
    assert not tasks.done(task, "other")
    assert tasks.done(task, "w")
    assert tasks.pending("to0") == ()


def test_tasks_claimed_at_once_go_to_one_worker_each(database: Database) -> None:
    tasks = TaskStore(database)
    for number in range(9):
        tasks.enqueue("to0", f"guid{number}", NOW)
    results = race(*(lambda w=f"w{n}": claim(tasks, w) for n in range(5)))
    claimed = [
        task.id for batch in results if isinstance(batch, tuple) for task in batch
    ]
    claimed += [task.id for task in claim(tasks, "late")]
    claimed += [task.id for task in claim(tasks, "later")]
    assert len(claimed) == len(set(claimed)) == 9
    assert not [r for r in results if isinstance(r, Exception)]


def test_the_task_of_a_dead_worker_is_claimed_by_another(database: Database) -> None:
    tasks = TaskStore(database)
    tasks.enqueue("to0", "guid", NOW)
    (first,) = claim(tasks, "dead")
    assert claim(tasks, "heir", NOW + 59) == ()
    (second,) = claim(tasks, "heir", NOW + 60)
    assert second.attempts == 2
    assert not tasks.done(first, "dead")
    assert tasks.done(second, "heir")


def test_a_task_put_off_says_why(database: Database) -> None:
    tasks = TaskStore(database)
    tasks.enqueue("to0", "guid", NOW)
    (task,) = claim(tasks, "w")
    assert tasks.again(task, "w", NOW + 30, "refused: " + "x" * 600)
    assert claim(tasks, "w", NOW + 29) == ()
    (later,) = claim(tasks, "w", NOW + 30)
    assert later.last_error is not None
    assert later.last_error.startswith("refused")
    assert len(later.last_error) == 500


def test_a_task_planned_anew_survives_the_claim_under_way(database: Database) -> None:
    tasks = TaskStore(database)
    tasks.enqueue("to0", "guid", NOW, b"old")
    (task,) = claim(tasks, "w")
    tasks.enqueue("to0", "guid", NOW, b"new")
    assert not tasks.done(task, "w")
    (again,) = claim(tasks, "other")
    assert again.payload == b"new"
    assert not tasks.again(task, "w", NOW + 99)
    assert tasks.done(again, "other")


def test_a_cancelled_task_is_gone(database: Database) -> None:
    tasks = TaskStore(database)
    tasks.enqueue("to0", "guid", NOW)
    tasks.enqueue("enrol", "guid", NOW)
    assert tasks.cancel("to0", "guid")
    assert not tasks.cancel("to0", "guid")
    assert len(tasks.pending("enrol")) == 1
    with pytest.raises(InvalidRecord):
        tasks.claim("to0", "", NOW, 60)


def test_replicas_open_each_others_tokens(database: Database) -> None:
    one, two = ServerKeys(database, WRAPPING), ServerKeys(database, WRAPPING)
    token = one.sealer(NOW).seal("TO1", b"state", NOW + 600)
    assert two.sealer(NOW).open(token, "TO1", NOW).payload == b"state"


def test_a_replica_finds_a_key_that_it_had_not_read(database: Database) -> None:
    one, two = ServerKeys(database, WRAPPING), ServerKeys(database, WRAPPING)
    old = one.sealer(NOW)
    database.direct.count(Sql("DELETE FROM server_keys"))
    token = two.sealer(NOW).seal("TO1", b"state", NOW + 600)
    assert old.open(token, "TO1", NOW).payload == b"state"


def test_keys_rotate_without_a_token_being_lost(database: Database) -> None:
    keys = ServerKeys(database, WRAPPING)
    first = keys.sealer(NOW).seal("TO1", b"first", NOW + ROTATE_SECONDS + 600)
    later = NOW + ROTATE_SECONDS
    before = keys.sealer(later).seal("TO1", b"x", later + 600)
    settled = later + 3 * RELOAD_SECONDS
    after = keys.sealer(settled).seal("TO1", b"x", settled + 600)
    key_ids = {urlsafe_b64decode(token)[1:5] for token in (first, before, after)}
    assert len(key_ids) == 2
    other = ServerKeys(database, WRAPPING).sealer(settled)
    for token in (first, before, after):
        other.open(token, "TO1", later)


def test_keys_are_worthless_without_the_key_file(database: Database) -> None:
    ServerKeys(database, WRAPPING).sealer(NOW)
    with pytest.raises(StoreUnavailable, match="another key file"):
        ServerKeys(database, bytes(32)).sealer(NOW)


def test_a_retired_key_opens_nothing(database: Database) -> None:
    keys = ServerKeys(database, WRAPPING)
    token = keys.sealer(NOW).seal("TO1", b"state", NOW + 10 * ROTATE_SECONDS)
    much_later = NOW + 5 * ROTATE_SECONDS
    with pytest.raises(TokenRefused):
        keys.sealer(much_later).open(token, "TO1", much_later)


def test_a_key_says_when_it_was_last_used_and_does_not_go_back(
    database: Database,
) -> None:
    keys = ApiKeyStore(database)
    key, token = keys.create("ci", Role.OPERATOR, ACTOR, NOW)
    assert keys.verify(token, NOW).last_used_at is None
    keys.used(key.id, NOW + 60)
    keys.used(key.id, NOW + 5)
    assert keys.verify(token, NOW + 61).last_used_at == NOW + 60
    assert [one.last_used_at for one in keys.list()] == [NOW + 60]
    keys.used("unknown", NOW)


def test_of_those_who_ask_at_once_one_makes_the_first_key(database: Database) -> None:
    told: list[str] = []

    def ask() -> ApiKey | None:
        return ApiKeyStore(database).create_first("first", ACTOR, NOW, told.append)

    made = [one for one in race(*[ask] * 4) if one is not None]
    (key,) = ApiKeyStore(database).list()
    (token,) = told
    assert made == [key]
    assert key.role is Role.ADMIN
    assert ApiKeyStore(database).verify(token, NOW) == key


def test_no_first_key_is_made_once_there_was_one(database: Database) -> None:
    keys, told = ApiKeyStore(database), list[str]()
    key, _ = keys.create("ci", Role.OPERATOR, ACTOR, NOW)
    keys.revoke(key.id, ACTOR, NOW)
    assert keys.create_first("first", ACTOR, NOW, told.append) is None
    assert told == []


def test_a_first_key_that_nobody_could_be_told_is_none(database: Database) -> None:
    keys = ApiKeyStore(database)

    def fail(_token: str) -> None:
        raise FileExistsError

    with pytest.raises(FileExistsError):
        keys.create_first("first", ACTOR, NOW, fail)
    assert keys.list() == ()
    assert EventLog(database).page().items == ()
