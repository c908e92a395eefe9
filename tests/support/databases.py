"""Databases for tests: every store runs on SQLite and on a real PostgreSQL."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from onboarding.store import runs_schema
from onboarding.store.database import Database
from onboarding.store.direct import Direct, Sql
from onboarding.store.events import GENESIS
from onboarding.store.tables import EventHeadRow
from tests.support.all_tables import METADATA
from tests.support.postgres import PrivatePostgres, binaries
from tests.support.tampering import unguarded


@dataclass(frozen=True)
class NewDatabase:
    """Makes migrated databases of one kind; called, it returns the URL of a new one."""

    make: Callable[[], str]
    give_back: Callable[[Iterable[str]], None]  # nobody is connected to them any more

    def __call__(self) -> str:
        return self.make()


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


class Spare:
    """Migrated databases that are used again: to drop one takes far longer.

    The first is migrated, the others are copies of it.
    """

    def __init__(self, server: PrivatePostgres) -> None:
        self._server = server
        self._template = server.new_database()
        self._free: list[str] = []
        database = Database(self._template)
        database.migrate()
        database.close()

    def take(self) -> str:
        """The URL of an empty one."""
        if not self._free:
            return self._server.copy_of(self._template)
        url = self._free.pop()
        database = Database(url)
        _empty(database)
        database.close()
        return url

    def give_back(self, urls: Iterable[str]) -> None:
        self._free += urls


@pytest.fixture(scope="session")
def spare(postgres_server: PrivatePostgres) -> Spare:
    return Spare(postgres_server)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewDatabase]:
    """Makes migrated databases of either kind in turn: whatever has one is run twice.

    What a service is started on is named by this, in all tests of routes.
    """
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        yield NewDatabase(
            lambda: _copied(template, tmp_path_factory.mktemp("database")),
            lambda _urls: None,
        )
        return
    spare: Spare = request.getfixturevalue("spare")
    taken: set[str] = set()

    def new() -> str:
        url = spare.take()
        taken.add(url)
        return url

    def give_back(urls: Iterable[str]) -> None:
        spare.give_back(urls)
        taken.difference_update(urls)

    yield NewDatabase(new, give_back)
    spare.give_back(taken)


@pytest.fixture
def copied(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], str]]:
    """Copies a database that nobody is connected to, for one test."""
    made: list[str] = []

    def copy(url: str) -> str:
        if url.startswith("sqlite:///"):
            return _copied(Path(url.removeprefix("sqlite:///")).parent, tmp_path)
        server: PrivatePostgres = request.getfixturevalue("postgres_server")
        made.append(server.copy_of(url))
        return made[-1]

    yield copy
    for url in made:
        request.getfixturevalue("postgres_server").drop_database(url)


def _copied(template: Path, directory: Path) -> str:
    for file in template.iterdir():
        shutil.copy(file, directory)
    return f"sqlite:///{directory}/main.db"


@pytest.fixture
def sqlite_database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """A migrated SQLite database, where the kind is not what is tested."""
    for file in sqlite_template.iterdir():
        shutil.copy(file, tmp_path)
    database = Database(f"sqlite:///{tmp_path}/main.db")
    yield database
    database.close()


def _empty(database: Database) -> None:
    with unguarded(database), database.transaction() as writing:
        for table in reversed(METADATA.sorted_tables):
            writing.session.execute(table.delete())
        writing.session.add(EventHeadRow(id=1, seq=0, digest=GENESIS))
    if isinstance(database.runs, Direct):
        for name in runs_schema.NAMES:
            database.runs.count(Sql(f"DELETE FROM {name}"))  # noqa: S608 - our own tables
