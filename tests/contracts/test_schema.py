"""The migrated schema is the models' schema, on both databases."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from onboarding.store import schema
from onboarding.store.database import Database
from onboarding.store.direct import Direct, Sql
from onboarding.store.errors import StoreUnavailable
from onboarding.store.runs import run_store
from onboarding.store.runs_schema import NAMES
from tests.support.all_tables import METADATA
from tests.support.store_records import race

OF_SQLITE, OF_POSTGRESQL = {"ix_devices_words"}, {"device_words"}
_OPEN = """
import sys
from onboarding.store.database import Database
from onboarding.store.runs import run_store
database = Database(sys.argv[1])
database.migrate()
print(run_store(database).spend(b"one token", 2_000_000_000))
database.close()
"""


def differences(url: str) -> list[object]:
    """What autogenerate would change to get from the database to the models."""
    engine = create_engine(url)
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: (
            kind != "table" or name not in NAMES | OF_POSTGRESQL
        ),
        # Alembic asks for an index where its model says that there is none.
        "include_object": lambda _one, name, *_: (
            engine.dialect.name == "sqlite" or name not in OF_SQLITE
        ),
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        found: list[object] = compare_metadata(context, METADATA)
    engine.dispose()
    return found


def test_migrations_lead_to_the_models(empty_url: str) -> None:
    database = Database(empty_url)
    assert not database.is_current()
    database.migrate()
    assert database.is_current()
    assert differences(empty_url) == []
    database.migrate()
    assert differences(empty_url) == []
    database.close()


def test_asking_whether_it_is_current_logs_nothing(
    empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Probes ask every few seconds, all day."""
    database = Database(empty_url)
    caplog.set_level(logging.INFO)
    database.migrate()
    assert caplog.records
    caplog.clear()
    assert database.is_current()
    assert caplog.records == []
    database.close()


def test_the_comparison_sees_a_difference(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    database.direct.count(Sql("ALTER TABLE vouchers ADD COLUMN surprise INTEGER"))
    database.close()
    assert len(differences(empty_url)) == 1


def test_foreign_keys_and_their_rules_are_migrated(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    engine = create_engine(empty_url)
    (found,) = inspect(engine).get_foreign_keys("bindings")
    engine.dispose()
    database.close()
    assert found["referred_table"] == "devices"
    rules = {key: str(value).upper() for key, value in found["options"].items()}
    assert rules == {"ondelete": "CASCADE", "onupdate": "CASCADE"}


def test_replicas_that_migrate_at_once_all_succeed(empty_url: str) -> None:
    databases = [Database(empty_url) for _ in range(3)]
    assert race(*(database.migrate for database in databases)) == [None] * 3
    assert all(database.is_current() for database in databases)
    for database in databases:
        database.close()


def test_processes_that_open_at_once_all_succeed(empty_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", _OPEN, empty_url]
    workers = [
        subprocess.Popen(  # noqa: S603 - this interpreter, our own code
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    answers = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], answers
    spent = sorted(out.strip() for out, _ in answers)
    assert spent == ["False", "False", "True"]


def test_a_database_of_a_newer_version_is_left_alone(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    database.direct.count(Sql("UPDATE alembic_version SET version_num = '9999'"))
    assert not database.is_current()
    with pytest.raises(StoreUnavailable, match="another version"):
        database.migrate()
    database.close()


def test_run_tables_are_not_fsynced_on_postgresql(database: Database) -> None:
    if not isinstance(database.runs, Direct):
        assert database.direct.one(Sql("PRAGMA synchronous")) == (2,)
        return
    kind = Sql("SELECT relpersistence::text FROM pg_class WHERE relname = ?")
    assert database.direct.one(kind, ("runs_1",)) == ("u",)
    assert database.direct.one(kind, ("vouchers",)) == ("p",)
    commit = Sql("SHOW synchronous_commit")
    assert database.runs.one(commit) == ("off",)
    assert database.direct.one(commit) == ("on",)


def test_a_pool_recovers_when_the_server_drops_its_connections(
    database: Database,
) -> None:
    if not database.is_postgres:
        pytest.skip("SQLite has no server that could drop a connection")
    runs = run_store(database)
    assert runs.live(0) == 0
    with database.session() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    with pytest.raises(StoreUnavailable):
        runs.live(0)
    assert runs.live(0) == 0


def test_the_newest_migration_is_the_one_head_of_the_lineage() -> None:
    """What a start compares with is read from file names, without Alembic."""
    config = Config()
    config.set_main_option("script_location", "onboarding:store/migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.newest()]


def test_a_start_on_a_current_database_goes_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/main.db"
    database = Database(url)
    database.migrate()
    database.close()
    code = (
        "import sys; from onboarding.store.database import Database\n"
        "database = Database(sys.argv[1]); database.migrate(); database.close()\n"
        "print('alembic' in sys.modules)"
    )
    found = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, url], capture_output=True, text=True, check=True
    )
    assert found.stdout == "False\n"
