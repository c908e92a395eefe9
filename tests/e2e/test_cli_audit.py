"""`vouchgate audit` and `backup` against one real process that is all services."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.cli.app import run
from tests.support.cli_site import Capture, Site, answer, running_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def test_a_checkpoint_kept_elsewhere_is_held_against_the_log(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    where = ["--url", site.url, "--api-key-file", str(site.key("security"))]
    out = tmp_path / "kept.cbor"
    made = answer(capsys, "audit", "checkpoint", *where, "--out", str(out))
    listed = answer(capsys, "audit", "checkpoints", *where)
    assert listed["items"][0]["seq"] == made["seq"]  # type: ignore[index]
    found = answer(capsys, "audit", "verify", str(out))
    assert found["head"] == made["digest"]
    assert found["checkpoints"] == {"stored": 1, "given": 1}

    copy = tmp_path / "copy.db"
    with sqlite3.connect(site.home / "all.db") as live, sqlite3.connect(copy) as db:
        live.backup(db)
        db.execute("DELETE FROM audit_checkpoints")
        db.execute("DROP TRIGGER events_kept_update")
        db.execute("UPDATE events SET actor = 'nobody' WHERE seq = 1")
    db.close()
    live.close()
    forged = ["--database-url", f"sqlite:///{copy}"]
    assert run(["audit", "verify", str(out), *forged]) == 1
    assert "event 1 was altered" in capsys.readouterr().err


def test_only_security_may_have_a_checkpoint(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "kept.cbor"
    where = ["--url", site.url, "--api-key-file", str(site.key("operator"))]
    assert run(["audit", "checkpoint", *where, "--out", str(out)]) == 1
    assert not out.exists()
    assert "security" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "none.db"
    assert run(["audit", "verify", "--database-url", f"sqlite:///{path}"]) == 2
    assert not path.exists()


def test_a_backup_of_a_running_service_is_restored(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    out, target = tmp_path / "site.backup", tmp_path / "new"
    made = answer(capsys, "backup", "--out", str(out))
    assert made["keys"] == 3
    assert out.stat().st_mode & 0o777 == 0o600
    assert answer(capsys, "restore", str(out), "--check")["rows"] == made["rows"]
    where = ["--database-url", f"sqlite:///{target}.db", "--key-directory", str(target)]
    assert run(["restore", str(out), *where]) == 0
    assert "the audit log holds" in capsys.readouterr().out
    assert answer(capsys, "audit", "verify", *where)["events"] > 1  # type: ignore[operator]
    shown = answer(capsys, "keys", "show", "--key-directory", str(target))
    assert shown == answer(capsys, "keys", "show")
    assert run(["restore", str(out), *where]) == 1
    assert "not empty" in capsys.readouterr().err


def test_what_is_no_backup_is_said_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x").write_bytes(b"nothing of the kind")
    assert run(["restore", str(tmp_path / "x"), "--check"]) == 1
    assert "no backup" in capsys.readouterr().err
    assert run(["restore", str(tmp_path / "none"), "--check"]) == 2
