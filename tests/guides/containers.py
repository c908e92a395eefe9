"""The guides' commands of docker, typed against a dockerd of our own.

The images are those of ``make e2e-compose``: no registry is asked, so the base is made
here, and the database's image is one of Debian's package.
"""

import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.compose.engine import engine, require_containers
from tests.compose.images import BASE, KEPT, PASSED_ON, make_base, make_images
from tests.compose.run import Skipped
from tests.compose.tool import compose_command
from tests.support.doc_commands import ROOT, Typed
from tests.support.doc_shell import Shell
from tests.support.doc_story import AWAY, OPERATORS, Part, commands

STORY = (
    Part(AWAY, "What to bring", "mkdir"),
    Part(OPERATORS, "All of it with compose", end=3),
    Part(AWAY, "What to bring", "docker"),
    Part(OPERATORS, "All of it with compose", first=3, end=4),
    Part(OPERATORS, "All of it with compose", "docker compose exec"),
    Part(AWAY, "Install", "docker"),
)
OVERRIDE = ROOT / "tests/compose/override.yaml"
_NO_PULL = {"pull_policy": "never"}
DOWN = "docker compose --profile device down --volumes --remove-orphans"
# On the other side there is what was carried over, and no image yet.
OTHER_SIDE = (
    f"{DOWN} && docker rmi vouchgate:local site/postgres:15"
    " && export SECRETS_DIRECTORY=$PWD/build/compose && mkdir -p ../site"
    " && cp -r over ../site && { [ -d ../site/vouchgate ]"
    " || git clone -q . ../site/vouchgate; } && cd ../site/vouchgate"
)


def typed_in_containers(
    bash: Shell, only: str, tried: Callable[[Shell, Sequence[Typed]], list[str]]
) -> list[str]:
    """Type all of it in the copy of the checkout; return what failed.

    Nothing, with the reason said, where dockerd cannot run.
    """
    wanted = commands(STORY)  # each rests on those before it
    if not any(re.search(only, str(one)) for one in wanted):
        return []
    try:
        with engine(KEPT / "docker") as docker, tempfile.TemporaryDirectory() as name:
            command = compose_command(KEPT)
            make_base(docker)
            require_containers(docker, BASE)
            make_images(docker)
            _find(bash, docker, command[0], Path(name))
            bash.do(f"cd {bash.home}/checkout")
            with _in_turn(bash):
                return tried(bash, wanted)
    except Skipped as reason:
        print(f"skipped, of docker: {reason}")
        return []


def _find(bash: Shell, docker: dict[str, str], compose: str, home: Path) -> None:
    """Have ``docker compose`` be that, with images and ports as there are here."""
    if not compose.endswith("docker"):
        (home / "cli-plugins").mkdir()
        (home / "cli-plugins/docker-compose").symlink_to(compose)
    (home / "here.yaml").write_text(_here())
    said = {
        "DOCKER_HOST": docker["DOCKER_HOST"],
        "DOCKER_CONFIG": str(home),
        "DOCKER_BUILDKIT": "0",  # the classic builder is in every docker
        "COMPOSE_FILE": f"compose.yaml:{OVERRIDE}:{home / 'here.yaml'}",
        "COMPOSE_PROJECT_NAME": "vouchgate-guides",
    }
    bash.do("export " + " ".join(f"{k}={shlex.quote(v)}" for k, v in said.items()))
    # What is run in a container would read what is typed next.
    bash.do('docker() { command docker "$@" </dev/null; }')


def _here() -> str:
    """What ``docker compose build`` and ``pull`` are to do without a registry."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    handed = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    built = {"build": {"args": {"BASE_IMAGE": BASE, **handed}}}
    changed: dict[str, object] = {n: built for n, x in services.items() if "build" in x}
    return str(yaml.safe_dump({"services": {**changed, "database": _NO_PULL}}))


@contextmanager
def _in_turn(bash: Shell) -> Iterator[None]:
    """Nothing of it is left."""
    try:
        yield
    finally:
        bash.run(DOWN)
