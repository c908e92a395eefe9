"""The first start: one key of an admin, told once and never logged."""

import io
import logging
import stat
import sys
from pathlib import Path

import pytest

from onboarding.services.context import open_context
from onboarding.services.first_key import file_of, make
from onboarding.services.settings import Role, Settings
from onboarding.store import apikeys
from onboarding.store.apikeys import ApiKeyStore
from onboarding.store.database import Database
from tests.support.services import Site


class Terminal(io.StringIO):
    """Standard output that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Site(tmp_path).settings(Role.OWNER, first_admin_key=True)


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def start(settings: Settings) -> None:
    """Start as far as it takes before a port is bound, and end."""
    context = open_context(settings)
    make(context)
    context.close()


def key_of(settings: Settings) -> Path:
    return settings.key_directory / "first-admin-owner.apikey"


def role_of(settings: Settings, token: str) -> apikeys.Role:
    database = Database(settings.database_url)
    try:
        return ApiKeyStore(database).verify(token, 0).role
    finally:
        database.close()


def count(settings: Settings) -> int:
    database = Database(settings.database_url)
    try:
        return len(ApiKeyStore(database).list())
    finally:
        database.close()


def test_a_service_nobody_looks_at_leaves_the_key_in_a_file_and_logs_its_path(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path)
    settings = site.settings(Role.OWNER, first_admin_key=True)
    with site.serve(settings) as running:
        path = key_of(settings)
        token = path.read_text().strip()
        made = running.call(token, "GET", "/apikeys").json()["items"]
    assert [one["role"] for one in made] == ["admin"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in caplog.text
    assert token.split("_", 2)[2] not in caplog.text


def test_the_second_start_and_another_replica_make_none(settings: Settings) -> None:
    start(settings)
    first = key_of(settings).read_text()
    key_of(settings).unlink()
    start(settings)
    assert not key_of(settings).exists()
    assert role_of(settings, first.strip()) is apikeys.Role.ADMIN
    assert count(settings) == 1


def test_at_a_terminal_the_key_is_printed_once_and_kept_nowhere(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    start(settings)
    start(settings)
    (line,) = terminal.getvalue().splitlines()
    token = line.rpartition(" ")[2]
    assert role_of(settings, token) is apikeys.Role.ADMIN
    assert not key_of(settings).exists()
    assert token.split("_", 2)[2] not in caplog.text


def test_a_file_that_is_there_is_not_overwritten_and_no_key_is_made(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    key_of(settings).write_text("somebody's")
    start(settings)
    assert key_of(settings).read_text() == "somebody's"
    assert count(settings) == 0
    assert "is there already" in caplog.text


def test_a_directory_that_takes_no_file_leaves_no_key(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    context = open_context(settings)
    file_of(context).parent.rename(settings.key_directory.with_name("gone"))
    make(context)
    context.close()
    assert count(settings) == 0
    assert "no first admin key" in caplog.text


def test_it_can_be_switched_off_and_is_not_made_beside_others(tmp_path: Path) -> None:
    site = Site(tmp_path)
    off = site.settings(Role.OWNER, first_admin_key=False)
    start(off)
    assert count(off) == 0
    on = site.settings(Role.OWNER, first_admin_key=True)
    site.api_key(on, apikeys.Role.OPERATOR)
    start(on)
    assert count(on) == 1
    assert not key_of(on).exists()
