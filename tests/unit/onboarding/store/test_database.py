"""Opening databases: files, modes, URLs and what is refused."""

import stat
from pathlib import Path

import pytest

from onboarding.store.database import Database
from onboarding.store.device_tables import DeviceGuidRow
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, StoreUnavailable
from onboarding.store.runs import run_store
from onboarding.store.runs_file import RunsFile, file_of_this_boot


def modes(directory: Path) -> dict[str, int]:
    """Each file's permission bits."""
    return {
        entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in directory.iterdir()
    }


def test_every_file_is_ours_alone(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    database = Database(f"sqlite:///{directory}/main.db")
    database.migrate()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert set(modes(directory).values()) == {0o600}
    assert len(modes(directory)) == 5  # with WAL and index; runs, and their lock
    database.close()


def test_the_main_file_is_durable_and_checked(sqlite_database: Database) -> None:
    expected = {"synchronous": 2, "foreign_keys": 1, "journal_mode": "wal"}
    for pragma, value in expected.items():
        assert sqlite_database.direct.one(Sql(f"PRAGMA {pragma}")) == (value,)
    assert sqlite_database.direct.one(Sql("PRAGMA busy_timeout")) == (10000,)
    assert sqlite_database.direct.one(Sql("PRAGMA cache_size")) == (-512,)
    with sqlite_database.session() as session:
        found = session.connection().exec_driver_sql("PRAGMA synchronous").scalar()
    assert found == 2


def test_runs_have_a_file_of_their_own(
    sqlite_database: Database, tmp_path: Path
) -> None:
    assert isinstance(sqlite_database.runs, RunsFile)
    path = sqlite_database.runs.path
    assert path.parent == tmp_path
    assert path.name.startswith("main.db.runs-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert run_store(sqlite_database).begin(b"run", 0, b"state", 1)
    assert b"state" in path.read_bytes()


@pytest.mark.parametrize("url", ["sqlite:///{}/runs", "file://{}/runs/no/\0"])
def test_runs_are_refused_a_place_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreUnavailable):
        Database(f"sqlite:///{tmp_path}/main.db", url.format(tmp_path))


def test_runs_are_kept_where_they_were_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/main.db", f"file://{tmp_path}/a/runs")
    database.close()
    names = [one.name for one in (tmp_path / "a").iterdir()]
    assert len(names) == 2
    assert all(name.startswith("runs.runs-") for name in names)


def test_the_runs_of_an_earlier_boot_are_removed(tmp_path: Path) -> None:
    old = tmp_path / "main.db.runs-0123456789ab"
    other = tmp_path / "other.db.runs-0123456789ab"
    for path in (old, other):
        path.write_bytes(b"torn by a power cut")
    Database(f"sqlite:///{tmp_path}/main.db").close()
    assert not old.exists()
    assert other.exists()


REFUSED: dict[str, str] = {
    "memory": "sqlite://",
    "named memory": "sqlite:///:memory:",
    "another product": "mysql://host/name",
    "nonsense": "nonsense",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_a_url_we_do_not_serve_is_refused(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        Database(url)


def test_a_password_does_not_show_in_the_refusal() -> None:
    database = Database("postgresql://u:hunter2@127.0.0.1:1/x?connect_timeout=1")
    with pytest.raises(StoreUnavailable) as refusal:
        database.direct.one(Sql("SELECT 1"))
    assert "hunter2" not in str(refusal.value)
    database.close()


def test_a_broken_reference_is_a_conflict_and_leaves_nothing(
    sqlite_database: Database,
) -> None:
    def write() -> None:
        with sqlite_database.transaction() as writing:
            writing.session.add(DeviceGuidRow(guid=b"a" * 16, device=b"absent"))

    with pytest.raises(Conflict):
        write()
    count = Sql("SELECT COUNT(*) FROM device_guids")
    assert sqlite_database.direct.one(count) == (0,)


def test_a_session_to_read_with_commits_nothing(sqlite_database: Database) -> None:
    head = "UPDATE event_head SET seq = 7"
    with sqlite_database.session() as session:
        session.connection().exec_driver_sql(head)
    assert sqlite_database.direct.one(Sql("SELECT seq FROM event_head")) == (0,)


def test_a_file_of_runs_stays_open_for_who_else_has_it(
    sqlite_database: Database, tmp_path: Path
) -> None:
    other = Database(f"sqlite:///{tmp_path}/main.db")
    assert run_store(other).begin(b"run", 0, b"state", 2)
    other.close()
    other.close()
    assert run_store(sqlite_database).load(b"run", 1) == (0, b"state")
    with pytest.raises(StoreUnavailable, match="closed"):
        run_store(other).load(b"run", 1)


def test_runs_are_not_read_from_a_file_of_another_kind(tmp_path: Path) -> None:
    file = file_of_this_boot(tmp_path / "main.db")
    file.write_bytes(b"torn" * 4096)
    with pytest.raises(StoreUnavailable, match="runs-"):
        Database(f"sqlite:///{tmp_path}/main.db")
