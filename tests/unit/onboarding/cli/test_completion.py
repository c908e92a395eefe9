"""Shell completion: the script that a shell is given, in that shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from onboarding.cli.app import COMMANDS, command_line
from onboarding.cli.called import ALONE, COMPLETING, TYPED, VALUED, needed

PROGRAM = Path(sys.executable).with_name("vouchgate")
SCRIPT = 'eval "$({program} --show-completion bash)"\n'
ASK = """\
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_vouchgate_completion {program}
echo "${{COMPREPLY[@]//$'\\n'/ }}"
"""
TAB = {
    "vouchgate device-": "device-key device-ca",
    "vouchgate webhook re": "redeliver resume remove",
    "vouchgate --profile berlin device on": "onboard",
    "vouchgate apikey new --da": "--days --database-url",
    'vouchgate apikey new --role ""': "manufacturer operator security admin",
}


def test_bash_completes_commands_options_and_choices() -> None:
    bash = shutil.which("bash")
    assert bash is not None
    asked = [ASK.format(program=PROGRAM, words=words) for words in TAB]
    told = subprocess.run(  # noqa: S603 - our own arguments
        [bash, "-c", SCRIPT.format(program=PROGRAM) + "".join(asked)],
        env={**os.environ, "SHELL": bash},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr == ""
    found = [set(line.split()) for line in told.stdout.splitlines()]
    assert found == [set(one.split()) for one in TAB.values()]


NEEDED: dict[str, tuple[object, list[str]]] = {
    "": (COMMANDS, []),
    "--help": (COMMANDS, []),
    "nonsense": (COMMANDS, []),
    "--version": ((), []),
    "--profile x": (COMMANDS, []),
    "fleet list --json": (("fleet",), ["list", "--json"]),
    "--profile fleet voucher show": (("voucher",), ["show"]),
    "--profile=x --client-key k device di": (("device",), ["di"]),
}


@pytest.mark.parametrize("typed", NEEDED)
def test_only_what_is_called_is_imported(typed: str) -> None:
    names, behind = needed(typed.split(), COMMANDS)
    assert (names, list(behind)) == NEEDED[typed]


@pytest.mark.parametrize("variable", TYPED)
@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("vouchgate", COMMANDS),
        ("vouchgate ", COMMANDS),
        ("vouchgate device", COMMANDS),
        ("vouchgate device ", ("device",)),
        ("vouchgate\ndevice\non", ("device",)),
        ("vouchgate --profile x devi", COMMANDS),
    ],
)
def test_a_shell_that_asks_waits_for_no_more_than_it_needs(
    variable: str, typed: str, names: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMPLETING, "complete_bash")
    monkeypatch.setenv(variable, typed)
    assert needed([], COMMANDS)[0] == names


def test_the_options_before_a_command_are_known() -> None:
    known = typer.main.get_group(command_line(["manual"])).params
    options = {one.opts[0]: one for one in known}
    valued = {name for name, one in options.items() if not getattr(one, "is_flag", 1)}
    assert valued - ALONE == VALUED
    assert options.keys() - VALUED - ALONE <= {"--help"}
