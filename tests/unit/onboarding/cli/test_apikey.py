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
