"""Commands that look into a database make none where it is mistyped."""

from pathlib import Path

import pytest

from onboarding.cli.app import run

LOOKS = {
    "apikey list": ["apikey", "list"],
    "apikey revoke": ["apikey", "revoke", "0" * 16],
    "audit verify": ["audit", "verify"],
    "database show": ["database", "show"],
    "database downgrade": ["database", "downgrade", "0001", "--lose-what-is-newer"],
    "backup": ["backup", "--out", "made"],
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_database_that_is_not_there_is_told_and_not_made(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vouchgat.db"
    assert run([*LOOKS[name], "--database-url", f"sqlite:///{path}"]) == 2
    assert f"{path} is not there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_first_key_may_come_before_the_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--database-url", f"sqlite:///{tmp_path}/new.db"]
    assert run(["apikey", "new", "--role", "operator", "--name", "a", *at]) == 0
    assert run(["apikey", "list", *at]) == 0
    assert "operator" in capsys.readouterr().out


def test_a_mistyped_scope_is_told_and_no_key_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--database-url", f"sqlite:///{tmp_path}/new.db"]
    named = ["apikey", "new", "--role", "operator", "--name", "a"]
    assert run([*named, "--scope", "voucher:read", *at]) == 1
    assert "vouchers" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_who_chose_a_profile_means_its_service_and_not_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless a database is named: then that is meant."""
    here = f"sqlite:///{tmp_path}/here.db"
    monkeypatch.setenv("VOUCHGATE_DATABASE_URL", here)
    monkeypatch.setenv("VOUCHGATE_PROFILES", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("VOUCHGATE_API_KEY", "vg_of_nobody")
    (tmp_path / "profiles.toml").write_text('[far]\nurl = "http://127.0.0.1:1"\n')
    new = ["apikey", "new", "--role", "operator", "--name", "a"]
    for command in (new, ["apikey", "list"], ["apikey", "revoke", "0" * 16]):
        assert run(["--profile", "far", *command]) == 1
        assert "http://127.0.0.1:1" in capsys.readouterr().err
    assert not (tmp_path / "here.db").exists()
    assert run(["--profile", "far", *new, "--database-url", here]) == 0
    assert run(["apikey", "list"]) == 0
    assert "operator" in capsys.readouterr().out
