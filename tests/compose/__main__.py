"""``python -m tests.compose``: each step with its time; exit code 1 if one fails.

Where dockerd cannot run it says so, and exits with 0.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from onboarding.cli.demo.timeline import StepFailed
from onboarding.device.errors import DeviceError
from onboarding.device.http import new_client
from tests.compose import checks
from tests.compose.engine import engine
from tests.compose.images import KEPT, make_images
from tests.compose.project import Project
from tests.compose.run import RunFailed, Skipped
from tests.compose.story import Story
from tests.compose.tool import compose_command

LOG_LINES = "60"
START = time.monotonic()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose")
    parser.add_argument(
        "--kept",
        type=Path,
        default=KEPT,
        help="where base, images and compose stay from run to run",
    )
    kept = parser.parse_args(arguments).kept.absolute()
    try:
        with engine(kept / "docker") as docker, tempfile.TemporaryDirectory() as name:
            with step("docker compose"):
                command = compose_command(kept)
            with step("images"):
                make_images(docker, kept)
            project = Project(command, docker, Path(name) / "secrets")
            _tried(project)
    except Skipped as reason:
        print(f"skipped: {reason}")
        return 0
    except (RunFailed, StepFailed, DeviceError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(f"All of it holds: {time.monotonic() - START:.0f} s")
    return 0


def _tried(project: Project) -> None:
    """Up, used, looked at, down, up again; away with its volumes whatever happens."""
    project.make_secrets()
    project.compose("down", "--volumes", "--remove-orphans")
    try:
        with closing(new_client()) as client:
            _used(project, Story(project, client))
    except BaseException:
        print(project.compose("logs", "--no-color", "--tail", LOG_LINES))
        raise
    finally:
        with step("down, with volumes"):
            project.compose("down", "--volumes", "--remove-orphans")


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
    with step("TO0, TO1, TO2, binding, attestation, release"):
        story.wait_for_release()
    with step("hardening"):
        containers = project.containers()
        checks.check_hardening(containers)
        checks.check_processes(project)
    with step("secrets"):
        words = project.secret_words() + list(story.tokens.values())
        checks.check_secrets(project, containers, words)
    with step("networks"):
        checks.check_networks(project, containers)
    with step("down, and up again"):
        project.compose("down")
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
