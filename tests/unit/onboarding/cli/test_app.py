"""How every command ends: an exit code, a sentence, never a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from onboarding.cli import app
from onboarding.cli.output import CliError
from onboarding.services.errors import SettingsError


@pytest.mark.parametrize("command", [[], *([one] for one in app.COMMANDS)])
def test_every_command_has_help(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run([*command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vouchgate ")


WRONG = [
    ["nonsense"],
    ["voucher"],
    ["voucher", "nonsense"],
    ["voucher", "verify"],
    ["voucher", "verify", "a", "b"],
    ["voucher", "verify", "--nonsense", "a"],
    ["keys", "new", "--kind", "nonsense"],
    ["serve", "--port", "nonsense"],
    ["serve", "--port", "70000"],
    ["apikey", "new", "--role", "king", "--name", "x"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_exits_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(arguments) == 2
    told = capsys.readouterr()
    assert told.out + told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("arguments", WRONG[3:], ids=" ".join)
def test_wrong_usage_is_parseable_with_json(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["ok"] is False


ENDINGS: dict[str, tuple[BaseException, int]] = {
    "an error of ours": (CliError("no", "do this"), 1),
    "settings of no use": (SettingsError("no"), 2),
    "a full disk": (OSError(28, "No space left on device"), 1),
    "a fault": (ZeroDivisionError("boom"), 1),
    "Ctrl-C": (KeyboardInterrupt(), 130),
    "Ctrl-C in a command": (typer.Exit(130), 130),
}


@pytest.mark.parametrize(("error", "code"), ENDINGS.values(), ids=ENDINGS.keys())
def test_whatever_goes_wrong_ends_in_a_sentence(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(_arguments: object) -> object:
        raise error

    monkeypatch.setattr(app, "command_line", broken)
    assert app.run(["keys", "show"]) == code
    told = capsys.readouterr().err
    assert told.startswith(("error:", "\x1b"))
    assert "Traceback" not in told


def test_the_command_runs_as_a_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "onboarding.cli", "voucher", "verify", "absent"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "absent: No such file" in done.stderr
