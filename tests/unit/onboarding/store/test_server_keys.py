"""The key file under which server keys are sealed."""

import stat
from pathlib import Path

import pytest

from onboarding.store.errors import StoreUnavailable
from onboarding.store.server_keys import ServerKeys, load_key_file
from tests.support.store_records import race


def test_the_key_file_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "server.key"
    key = load_key_file(path)
    assert len(key) == 32
    assert load_key_file(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["server.key"]


def test_all_that_make_the_key_file_at_once_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "server.key"
    keys = race(*(lambda: load_key_file(path) for _ in range(8)))
    assert len(keys) == 8
    assert set(keys) == {path.read_bytes()}


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [(b"k" * 32, 0o640, "chmod 600"), (b"short", 0o600, "not 32")],
    ids=["open to the group", "short"],
)
def test_an_unfit_key_file_is_refused(
    tmp_path: Path, content: bytes, mode: int, problem: str
) -> None:
    path = tmp_path / "server.key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(StoreUnavailable, match=problem):
        load_key_file(path)


def test_a_key_file_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "server.key"
    directory.mkdir(mode=0o700)
    with pytest.raises(StoreUnavailable, match="cannot use"):
        load_key_file(directory)


def test_server_keys_do_not_show_in_their_repr(tmp_path: Path) -> None:
    from onboarding.store.database import Database

    database = Database(f"sqlite:///{tmp_path}/main.db")
    assert repr(ServerKeys(database, b"k" * 32)) == "ServerKeys(…)"
    database.close()
