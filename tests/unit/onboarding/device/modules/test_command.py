"""Programs on the device: only those permitted, and never for long."""

import os
import sys
import time
from pathlib import Path

import pytest

from onboarding.device.modules.command import CommandModule, permits
from onboarding.device.modules.running import run
from onboarding.protocol.errors import ModuleStopped
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

PYTHON = sys.executable
PERMITTED = [("/bin/a",), ("/bin/b", "restart", "app"), ("/bin/c", "status", "*")]
VERDICTS = {
    ("/bin/a",): True,
    ("/bin/a", "x"): False,
    ("/bin/b", "restart", "app"): True,
    ("/bin/b", "restart", "app", "x"): False,
    ("/bin/b", "restart"): False,
    ("/bin/c", "status"): True,
    ("/bin/c", "status", "x", "*"): True,
    ("/bin/c", "stop"): False,
    ("/bin/c",): False,
    ("a",): False,
    ("/bin/../bin/a",): False,
    ("",): False,
}


@pytest.mark.parametrize(("argv", "verdict"), VERDICTS.items(), ids=str)
def test_a_program_is_permitted_word_for_word(
    argv: tuple[str, ...], verdict: bool
) -> None:
    assert permits(PERMITTED, argv) is verdict


def order(
    module: CommandModule, command: str = PYTHON, **said: object
) -> dict[str, object]:
    """Send an order; return the last of each message that came back."""
    values: dict[str, object] = {
        "command": command,
        "may_fail": True,
        "return_stdout": True,
        "return_stderr": True,
        **said,
        "execute": None,
    }
    answers: list[Message] = []
    module.activated()
    for message, value in values.items():
        answers += module.receive(message, cbor.encode(value))
    assert answers[-1][0] == "exitcode"
    return {message: cbor.decode(value) for message, value in answers}


@pytest.mark.parametrize("wrapped", [False, True])
def test_arguments_are_taken_bare_and_wrapped(wrapped: bool) -> None:
    arguments: object = ["-c", "import sys; print(sys.argv[1:])", "a b", "$HOME;ls"]
    said = cbor.encode(arguments) if wrapped else arguments
    answer = order(CommandModule([(PYTHON, "*")]), args=said)
    assert answer == {"stdout": b"['a b', '$HOME;ls']\n", "exitcode": 0}


def test_what_is_not_permitted_is_not_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'made')!r}, 'w')"
    answer = order(CommandModule([(PYTHON, "-V")]), args=["-c", code])
    assert answer["exitcode"] == 126
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_not_there_ends_as_shells_have_it() -> None:
    gone = "/nowhere/program"
    assert order(CommandModule([(gone,)]), gone)["exitcode"] == 127


def test_output_that_was_not_asked_for_is_not_sent() -> None:
    arguments = ["-c", "import sys; print(1); print(2, file=sys.stderr)"]
    module = CommandModule([(PYTHON, "*")])
    answer = order(module, args=arguments, return_stderr=False)
    assert answer == {"stdout": b"1\n", "exitcode": 0}


def test_a_program_that_may_not_fail_and_does_ends_the_run() -> None:
    module = CommandModule([(PYTHON, "*")])
    with pytest.raises(ModuleStopped, match="may not fail"):
        order(module, args=["-c", "raise SystemExit(1)"], may_fail=False)


def test_an_order_leaves_nothing_to_the_next_one() -> None:
    module = CommandModule([(PYTHON, "*")])
    order(module, args=["-c", "print(1)"])
    module.receive("command", cbor.encode(PYTHON))
    module.receive("may_fail", cbor.encode(True))
    answers = module.receive("execute", cbor.encode(None))
    assert answers == [("exitcode", cbor.encode(0))]  # no arguments, no output


def test_a_program_is_killed_in_time_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"sleep 600 & echo $! >{mark}; echo began; sleep 600"  # a shell begins soon
    ended = run(["/bin/sh", "-c", code], 3.0, 100)
    assert (ended.exit_code, ended.stdout) == (124, b"began\n")
    assert _is_gone(int(mark.read_text()))


def test_a_child_that_holds_the_output_open_keeps_nobody_waiting() -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('ended')\n"
    )
    ended = run([PYTHON, "-c", code], 60.0, 100)
    assert (ended.exit_code, ended.stdout) == (0, b"ended\n")


def test_a_program_that_floods_both_outputs_ends_with_the_tail_of_each() -> None:
    code = (
        "import sys\n"
        "for _ in range(50):\n"
        "    sys.stdout.write('o' * 10000); sys.stderr.write('e' * 10000)\n"
        "sys.stdout.write('O'); sys.stderr.write('E')\n"
    )
    ended = run([PYTHON, "-c", code], 60.0, 5)
    assert (ended.stdout, ended.stderr) == (b"ooooO", b"eeeeE")


def test_a_program_sees_no_input_and_a_bare_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOUCHGATE_API_KEY", "secret")
    code = "import os, sys; print(sys.stdin.read(), 'VOUCHGATE_API_KEY' in os.environ)"
    assert run([PYTHON, "-c", code], 60.0, 100).stdout == b" False\n"


def test_a_program_ended_by_a_signal_is_told_as_shells_do() -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    assert run([PYTHON, "-c", code], 60.0, 100).exit_code == 137


WRONG = {
    "command": 1,
    "args": "x",
    "may_fail": 1,
    "return_stdout": None,
    "return_stderr": "yes",
}


@pytest.mark.parametrize(("message", "value"), WRONG.items())
def test_a_message_of_another_type_is_malformed(message: str, value: object) -> None:
    with pytest.raises(MalformedError):
        CommandModule([]).receive(message, cbor.encode(value))


def _is_gone(pid: int) -> bool:
    """Killed, though whoever adopted it may not have asked for its ending yet."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
