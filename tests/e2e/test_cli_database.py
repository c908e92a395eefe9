"""A database that texts cannot be kept in is refused, and the sentence says why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import DatabaseUnfit
from tests.support.postgres import PrivatePostgres

Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def unfit(
    request: pytest.FixtureRequest,
    postgres_server: PrivatePostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The encoding of a database that the environment names."""
    url = postgres_server.new_database(request.param)
    (tmp_path / "passphrase").write_text("of a test\n")
    for name, value in {
        "DATABASE_URL": url,
        "KEY_DIRECTORY": tmp_path / "keys",
        "KEY_PASSPHRASE_FILE": tmp_path / "passphrase",
        "PORT": 0,
        "ROLE": "rendezvous",
    }.items():
        monkeypatch.setenv(f"VOUCHGATE_{name}", str(value))
    yield request.param
    postgres_server.drop_database(url)


def test_serve_says_what_is_wrong_and_how_to_mend_it(
    unfit: str, capsys: Capture
) -> None:
    assert run(["serve", "--role", "rendezvous", "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert f"is in {unfit}" in said
    assert "ENCODING 'UTF8'" in said


def test_doctor_finds_it(unfit: str, capsys: Capture) -> None:
    assert run(["doctor", "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    (found,) = [one for one in checks if one["name"] == "database"]
    assert found["health"] == "bad"
    assert f"is in {unfit}" in found["detail"]
    assert "VOUCHGATE_DATABASE_URL" in found["mend"]


def test_the_connections_of_messages_refuse_it_too(
    postgres_server: PrivatePostgres,
) -> None:
    url = postgres_server.new_database("SQL_ASCII")
    database = Database(url)
    with pytest.raises(DatabaseUnfit):
        database.direct.one(Sql("SELECT 1"))
    database.close()
    postgres_server.drop_database(url)
