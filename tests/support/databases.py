"""Databases for tests: every store runs on SQLite and on a real PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.events import GENESIS
from onboarding.store.tables import EventHeadRow
from tests.support.all_tables import METADATA
from tests.support.postgres import PrivatePostgres, binaries


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """One private server for the whole session."""
    directory = binaries()
    if directory is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    server = PrivatePostgres(directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PrivatePostgres) -> str:
    """A migrated database, emptied after each test that had it."""
    url = postgres_server.new_database()
    database = Database(url)
    database.migrate()
    database.close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a migrated ``main.db`` to copy."""
    directory = tmp_path_factory.mktemp("template")
    database = Database(f"sqlite:///{directory}/main.db")
    database.migrate()
    database.close()
    return directory


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, of either kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/main.db"
        return
    server: PrivatePostgres = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database of either kind in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    database = Database(request.getfixturevalue("postgres_url"))
    yield database
    _empty(database)
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """A migrated SQLite database, where the kind is not what is tested."""
    for file in sqlite_template.iterdir():
        shutil.copy(file, tmp_path)
    database = Database(f"sqlite:///{tmp_path}/main.db")
    yield database
    database.close()


def _empty(database: Database) -> None:
    with database.transaction() as writing:
        for table in reversed(METADATA.sorted_tables):
            writing.session.execute(table.delete())
        writing.session.add(EventHeadRow(id=1, seq=0, digest=GENESIS))
    for name in ("runs_1", "sessions_1", "spent_1"):
        database.runs.count(Sql(f"DELETE FROM {name}"))  # noqa: S608 - our own tables
