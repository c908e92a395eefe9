"""Backups: out of either kind of database, into either kind."""

import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from onboarding.services import backup
from onboarding.services.backup import BackupError, Contents
from onboarding.store import archive, schema
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.direct import Sql
from onboarding.store.errors import ChainBroken, Conflict
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event, append
from onboarding.store.server_keys import ServerKeys
from onboarding.store.vouchers import VoucherStore
from tests.support.postgres import PrivatePostgres
from tests.support.store_records import ACTOR, GUID, NOW, OTHER_GUID, binding, voucher
from tests.support.tampering import unguarded

KEY = b'{"test": "no key at all"}'


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    directory.mkdir()
    (directory / "owner.key").write_bytes(KEY)
    (directory / "server.secret").write_bytes(b"s" * 32)
    return directory


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of another database, without tables, of either kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/target.db"
        return
    server: PrivatePostgres = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def stocked(database: Database) -> Database:
    """Two devices, one of them owned and bound, and more events than one batch."""
    vouchers = VoucherStore(database)
    vouchers.add(voucher(), ACTOR)
    vouchers.add(voucher(OTHER_GUID), ACTOR)
    vouchers.take_ownership(
        GUID, None, b"\xa0", b"", NOW, run_id=b"run", binding=binding()
    )
    many = [Event("test.made", ACTOR, NOW + n) for n in range(archive.BATCH + 20)]
    with database.direct.transaction() as connection:
        append(connection, *many)
    ServerKeys(database, b"k" * 32).sealer(NOW)
    return database


def saved(database: Database, keys: Path) -> io.BytesIO:
    out = io.BytesIO()
    backup.write(database, keys, out, NOW)
    out.seek(0)
    return out


def restored(file: io.BytesIO, url: str, keys: Path) -> Contents:
    target = Database(url)
    try:
        return backup.restore(file, target, keys, "test", NOW + 9)[0]
    finally:
        target.close()


def content(database: Database) -> dict[str, list[bytes]]:
    with database.snapshot() as connection:
        tables = archive.Tables(connection)
        return {shape.name: sorted(tables.rows_of(shape)) for shape in tables.shapes()}


def test_everything_comes_back_in_either_kind(
    stocked: Database, keys: Path, target_url: str, tmp_path: Path
) -> None:
    before = content(stocked)
    new_keys = tmp_path / "restored"
    restored(saved(stocked, keys), target_url, new_keys)
    target = Database(target_url)
    after = content(target)
    logged = EventLog(target).page(limit=1).items[0]
    device = DeviceStore(target).get(GUID)
    EventLog(target).verify_chain()
    sealed = target.direct.rows(Sql("SELECT 1 FROM server_keys"))
    target.close()
    assert logged.cause == "database.restored"
    assert device.facts.bound_at == NOW
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"events", "event_head"}
    assert set(before["events"]) < set(after["events"])
    assert not sealed
    assert [path.name for path in new_keys.iterdir()] == ["owner.key"]
    assert (new_keys / "owner.key").read_bytes() == KEY


def test_a_backup_is_of_one_moment(stocked: Database, keys: Path) -> None:
    """Whoever writes meanwhile is in it whole, in every table, or not at all."""
    stop, vouchers = threading.Event(), VoucherStore(stocked)
    begun = threading.Event()

    def write() -> None:
        for number in count():
            vouchers.add(voucher(number.to_bytes(16, "big")), ACTOR)
            begun.set()
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(120)
        files = [saved(stocked, keys) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    sizes = [kept_whole(file, keys.parent / f"{at}") for at, file in enumerate(files)]
    assert sizes == sorted(sizes)
    assert sizes[0] > 2


def kept_whole(file: io.BytesIO, directory: Path) -> int:
    """How many vouchers are in a backup; each has its device and its event."""
    directory.mkdir()
    url = f"sqlite:///{directory}/busy.db"
    restored(file, url, directory / "keys")  # checks the chain of events
    database = Database(url)
    ((vouchers, devices, events),) = database.direct.rows(
        Sql(
            "SELECT (SELECT COUNT(*) FROM vouchers), (SELECT COUNT(*) FROM devices),"
            " (SELECT COUNT(*) FROM events WHERE cause = 'voucher.stored')"
        )
    )
    database.close()
    assert vouchers == devices == events
    return int(vouchers)


def test_an_older_version_is_restored_and_migrated(
    tmp_path: Path, keys: Path, target_url: str
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/old.db")
    with engine.begin() as connection:
        schema.upgrade(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO settings (name, value, version, updated_at, updated_by)"
                " VALUES ('rvinfo', X'80', 1, 5, 'then')"
            )
        )
    engine.dispose()
    old = Database(f"sqlite:///{tmp_path}/old.db")
    file = saved(old, keys)
    old.close()
    assert restored(file, target_url, tmp_path / "k").revision == "0001"
    target = Database(target_url)
    assert target.is_current()
    assert target.direct.rows(Sql("SELECT name FROM settings")) == [("rvinfo",)]
    target.close()


def test_a_database_that_is_not_empty_is_left_alone(
    sqlite_database: Database, keys: Path, target_url: str, tmp_path: Path
) -> None:
    target = Database(target_url)
    target.migrate()
    target.close()
    with pytest.raises(Conflict, match="not empty"):
        restored(saved(sqlite_database, keys), target_url, tmp_path / "k")
    assert not (tmp_path / "k").exists()


def test_another_key_file_is_not_overwritten(
    sqlite_database: Database, keys: Path, tmp_path: Path
) -> None:
    file = saved(sqlite_database, keys)
    (keys / "owner.key").write_bytes(b"another")
    with pytest.raises(BackupError, match="is another key file"):
        restored(file, f"sqlite:///{tmp_path}/new.db", keys)
    assert (keys / "owner.key").read_bytes() == b"another"


def repacked(file: io.BytesIO, change: Callable[[str, bytes], bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=file, mode="r:gz") as old,
        tarfile.open(fileobj=out, mode="w:gz") as new,
    ):
        for info in old:
            member = old.extractfile(info)
            assert member is not None
            data = change(info.name, member.read())
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    out.seek(0)
    return out


def _contents(**fields: object) -> Callable[[str, bytes], bytes]:
    def change(name: str, data: bytes) -> bytes:
        if name != backup.CONTENTS:
            return data
        return json.dumps({**json.loads(data), **fields}).encode()

    return change


BAD: dict[str, tuple[Callable[[str, bytes], bytes], str]] = {
    "a row altered": (
        lambda name, data: data.replace(b"test.made", b"test.gone"),
        "tables/events was altered",
    ),
    "a key altered": (
        lambda name, data: data.replace(b"no key", b"a  key"),
        "keys/owner.key was altered",
    ),
    "of another format": (_contents(format=2), "of format 2"),
    "contents that are none": (_contents(parts=[1]), "cannot be read"),
    "a member outside": (
        _contents(parts=[["keys/../../x", "0", 0, []]]),
        "the backup lists",
    ),
    "a table that is not there": (
        _contents(parts=[["tables/none", "0", 0, []]]),
        "the backup lacks tables/none",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_whole_backup_restores_nothing(
    case: str, sqlite_database: Database, keys: Path, tmp_path: Path
) -> None:
    EventLog(sqlite_database).append(Event("test.made", ACTOR, NOW))
    file = saved(sqlite_database, keys)
    change, words = BAD[case]
    target = f"sqlite:///{tmp_path}/new.db"
    with pytest.raises(BackupError, match=words):
        restored(repacked(file, change), target, tmp_path / "k")
    for cut in (0, 100, len(file.getvalue()) // 2):
        with pytest.raises(BackupError):
            restored(io.BytesIO(file.getvalue()[:cut]), target, tmp_path / "k")
    database = Database(target)
    assert not database.is_current()
    database.close()
    assert not (tmp_path / "k").exists()


def test_a_log_that_was_altered_before_shows(
    sqlite_database: Database, keys: Path, tmp_path: Path
) -> None:
    EventLog(sqlite_database).append(Event("test.made", ACTOR, NOW))
    with unguarded(sqlite_database):
        sqlite_database.direct.count(Sql("UPDATE events SET actor = 'nobody'"))
    file = saved(sqlite_database, keys)
    with pytest.raises(ChainBroken, match="event 1 was altered"):
        restored(file, f"sqlite:///{tmp_path}/new.db", tmp_path / "k")
