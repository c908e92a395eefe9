"""Running a command whose failure ends the run, with what it said."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST = 40  # lines of a failed command that are shown


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
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command,
            env=env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=wait,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunFailed(f"{' '.join(command[:4])}: {error}") from error
    if done.returncode:
        said = (done.stdout + done.stderr).splitlines()[-LAST:]
        raise RunFailed(f"{' '.join(command)}: {done.returncode}\n" + "\n".join(said))
    return done.stdout
