"""``python -m tests.compose``: each step with its time; exit code 1 if one fails.

Where dockerd cannot run it says so, and exits with 0.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from onboarding.cli.demo.timeline import StepFailed
from onboarding.device.errors import DeviceError
from onboarding.device.http import new_client
from tests.compose import checks
from tests.compose.engine import engine, require_containers
from tests.compose.images import BASE, KEPT, make_base, make_images
from tests.compose.project import Project
from tests.compose.run import RunFailed, Skipped, run, together
from tests.compose.story import Story
from tests.compose.tool import compose_command

LOG_LINES = "60"
LIMIT_SECONDS = 1200  # five times what it takes with two cores to itself
SIGNALS = (signal.SIGALRM, signal.SIGTERM, signal.SIGINT)
START = time.monotonic()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose")
    parser.add_argument(
        "--kept",
        type=Path,
        default=KEPT,
        help="where base, images and compose stay from run to run",
    )
    parser.add_argument("--limit", type=int, default=LIMIT_SECONDS, metavar="SECONDS")
    asked = parser.parse_args(arguments)
    for one in SIGNALS:
        signal.signal(one, partial(give_up, asked.limit))
    signal.alarm(asked.limit)
    try:
        _held(asked.kept.absolute())
    except Skipped as reason:
        print(f"skipped: {reason}")
        return 0
    except (RunFailed, StepFailed, DeviceError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(f"All of it holds: {time.monotonic() - START:.0f} s")
    return 0


def give_up(limit: int, number: int, _frame: object) -> None:
    """Leave whatever is done, once; what is up is taken down on the way out."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    slow = number == signal.SIGALRM
    raise RunFailed(
        f"not done after {limit} s" if slow else f"ended by signal {number}"
    )


def _held(kept: Path) -> None:
    with engine(kept / "docker") as docker, tempfile.TemporaryDirectory() as name:
        with step("base image, docker compose"):
            together(partial(make_base, docker), partial(compose_command, kept))
            require_containers(docker, BASE)
        with step("images"):
            make_images(docker)
        project = Project(compose_command(kept), docker, Path(name) / "secrets")
        _tried(project)


def _tried(project: Project) -> None:
    """Up, used, looked at, down, up again; away with its volumes whatever happens."""
    project.make_secrets()
    if run(["docker", "container", "ls", "-a", "-q"], project.docker):
        project.down()  # what a run that was killed has left
    try:
        with closing(new_client()) as client:
            _used(project, Story(project, client))
    except BaseException:
        with suppress(RunFailed):
            print(project.compose("logs", "--no-color", "--tail", LOG_LINES, wait=60))
        with suppress(RunFailed):
            project.down()
        raise
    with step("down, with volumes"):
        project.down()
        checks.check_gone(project)


def _used(project: Project, story: Story) -> None:
    with step("docker compose config"):
        project.compose("config", "-q")
    with step("up"):
        project.up(device=False)
    with step("API keys, addresses and trust"):
        story.make_api_keys()
        story.set_up()
    with step("the device's container"):
        project.up(device=True)
    with step("DI, extend, import"):
        story.sell()
        story.make_policies()
        story.assign()
    containers = project.containers()
    with step("TO0, TO1, TO2, binding, attestation, release; networks meanwhile"):
        ways = checks.network_checks(project, containers)
        together(story.wait_for_release, *ways)
    with step("hardening"):
        checks.check_hardening(containers)
        checks.check_processes(project)
    with step("secrets"):
        words = project.secret_words() + list(story.tokens.values())
        checks.check_secrets(project, containers, words)
    with step("down, and up again"):
        project.compose("stop")
        checks.check_ends(project.containers())
        project.compose("down")
        story.urls.clear()
        project.up(device=True)
        story.wait_for_another_appraisal()
        story.wait_for_release()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tell what is done, and how long it took."""
    begun = time.monotonic()
    print(f"{what} …", flush=True)
    yield
    now = time.monotonic()
    print(f"{now - START:6.1f} s  {what}  {now - begun:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
