"""A database whose password stands in a file, as ``compose.yaml`` has it."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from onboarding.cli.app import run
from tests.support.postgres import PrivatePostgres

Capture = pytest.CaptureFixture[str]
PASSWORD = "p@ss/word-of-a-test"
RULE = "local all guarded scram-sha-256\n"


@pytest.fixture(autouse=True)
def guarded(
    postgres_server: PrivatePostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Settings that name a PostgreSQL account which only a password opens."""
    url = make_url(postgres_server.new_database())
    conninfo = f"host={url.query['host']} user={url.username} dbname={url.database}"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        hba = _require_password(connection)
        before = hba.read_text()
        hba.write_text(RULE + before)
        connection.execute("SELECT pg_reload_conf()")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    named = url.set(username="guarded").render_as_string()
    monkeypatch.setenv("VOUCHGATE_DATABASE_URL", named)
    monkeypatch.setenv("VOUCHGATE_KEY_DIRECTORY", str(tmp_path / "keys"))
    monkeypatch.setenv("VOUCHGATE_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    yield
    hba.write_text(before)
    postgres_server.drop_database(url.render_as_string())
    with psycopg.connect(conninfo.replace(str(url.database), "postgres")) as connection:
        connection.execute("DROP ROLE guarded")


def _require_password(connection: "psycopg.Connection[tuple[object, ...]]") -> Path:
    """Make the account; return the file that says how accounts are opened."""
    connection.execute(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    found = connection.execute("SHOW hba_file").fetchone()
    assert found is not None
    return Path(str(found[0]))


def test_a_first_api_key_is_made_with_the_password_of_the_file(
    capsys: Capture,
) -> None:
    made = ["apikey", "new", "--role", "admin", "--name", "first", "--json"]
    assert run(made) == 0, capsys.readouterr()
    assert json.loads(capsys.readouterr().out)["role"] == "admin"


def test_doctor_opens_the_database_with_the_password_of_the_file(
    capsys: Capture,
) -> None:
    assert run(["apikey", "list", "--json"]) == 0
    capsys.readouterr()
    run(["doctor", "--role", "rendezvous", "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    found = {one["name"]: one["health"] for one in checks}
    assert found["database"] == "ok", checks


@pytest.mark.parametrize("command", [["apikey", "list"], ["doctor"]], ids=" ".join)
def test_the_password_is_never_told(
    command: list[str], tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "password").write_text("not the password")
    assert run(command) == 1
    told = capsys.readouterr()
    assert "not the password" not in told.out + told.err
