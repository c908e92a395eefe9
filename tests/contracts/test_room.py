"""A database that answers, and takes no change."""

import shutil
from pathlib import Path

import pytest

from onboarding.store.database import Database
from onboarding.store.direct import Sql

MORE_THAN_ANY_DISK_HAS = 10**12  # MiB


def test_nothing_is_wrong_with_a_database_that_takes_changes(
    database: Database,
) -> None:
    assert database.fault(1) == ""


def test_a_full_disk_is_told_before_it_is_full(sqlite_database: Database) -> None:
    said = sqlite_database.fault(MORE_THAN_ANY_DISK_HAS)
    assert f"{MORE_THAN_ANY_DISK_HAS} are wanted" in said
    assert sqlite_database.fault(0) == ""


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_not_the_one_that_was_opened_is_told(
    sqlite_database: Database, tmp_path: Path, replaced: bool
) -> None:
    """It answers all the same, and keeps nothing beyond the process."""
    assert sqlite_database.is_current()
    file = tmp_path / "main.db"
    if replaced:
        shutil.copy(file, tmp_path / "copy.db")
        (tmp_path / "copy.db").rename(file)
    else:
        file.unlink()
    assert sqlite_database.is_current()
    assert "removed or replaced" in sqlite_database.fault(1)


def test_a_standby_is_told_from_a_primary(postgres_url: str) -> None:
    database = Database(postgres_url)
    direct = database.direct
    direct.count(Sql("SET default_transaction_read_only = on"))
    try:
        assert "read-only" in database.fault(MORE_THAN_ANY_DISK_HAS)
    finally:
        direct.count(Sql("SET default_transaction_read_only = off"))
    assert database.fault(MORE_THAN_ANY_DISK_HAS) == ""
    database.close()
