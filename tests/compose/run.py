"""Running commands whose failure ends the run, with what they said."""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LAST = 40  # lines of a failed command that are shown

_running: set["subprocess.Popen[str]"] = set()
_ending = threading.Event()


class RunFailed(Exception):
    """A step did not do what it was to; the text says which, and why."""


class Skipped(Exception):
    """This machine cannot run it; the text says what it lacks."""


def run(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    wait: float = 600,
) -> str:
    """Return what it printed on stdout; raises RunFailed on any exit code but 0."""
    try:
        code, out, err = _ran(command, env, cwd, wait)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunFailed(f"{' '.join(command[:4])}: {error}") from error
    if code:
        said = (out + err).splitlines()[-LAST:]
        raise RunFailed(f"{' '.join(command)}: {code}\n" + "\n".join(said))
    return out


def _ran(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    cwd: Path | None,
    wait: float,
) -> tuple[int, str, str]:
    with subprocess.Popen(  # noqa: S603 - our own arguments, no shell
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        _running.add(process)
        try:
            if _ending.is_set():
                process.kill()
            out, err = process.communicate(timeout=wait)
        except BaseException:
            process.kill()
            raise
        finally:
            _running.discard(process)
    return process.returncode, out, err


def together(first: Callable[[], object], *others: Callable[[], object]) -> None:
    """Do all of it at once, ``first`` in this thread; returns when all is done.

    What fails is raised. Then, and on a signal, commands of the others are ended: let
    them do nothing but ``run``.
    """
    try:
        with ThreadPoolExecutor(len(others)) as pool:
            begun = [pool.submit(one) for one in others]
            try:
                first()
                for one in begun:
                    one.result()
            except BaseException:
                _ending.set()
                for process in _running.copy():
                    process.kill()
                raise
    finally:
        _ending.clear()
