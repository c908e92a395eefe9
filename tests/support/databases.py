"""Databases for tests: every store runs on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from onboarding.store.database import Database
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
def postgres_template(postgres_server: PrivatePostgres) -> str:
    """The name of a migrated database to copy from."""
    url = postgres_server.new_database()
    database = Database(url)
    database.migrate()
    database.close()
    return str(make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, of either kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/main.db"
    server: PrivatePostgres = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database of either kind in turn."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path}/main.db")
        database.migrate()
    else:
        template = request.getfixturevalue("postgres_template")
        server: PrivatePostgres = request.getfixturevalue("postgres_server")
        database = Database(server.new_database(template))
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database, where the kind is not what is tested."""
    database = Database(f"sqlite:///{tmp_path}/main.db")
    database.migrate()
    yield database
    database.close()
