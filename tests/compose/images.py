"""The images, from nothing but this machine's package mirror and its own settings."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.compose.run import RunFailed, Skipped, run

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build/e2e-compose"  # from run to run: base, images, compose
BASE = "vouchgate-ci/base:bookworm"
DATABASE = "vouchgate-ci/postgres:bookworm"
OURS = "vouchgate:local"
SUITE = "bookworm"
HOST_CA = Path("/etc/ssl/certs/ca-certificates.crt")
# Taken over from whoever runs this, where they are set.
PASSED_ON = ("PIP_CERT", "PIP_INDEX_URL")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
BUILD_SECONDS = 3600.0  # compiles tpm2-pytss; a slow machine is no failure


def make_images(docker: Mapping[str, str], kept: Path) -> None:
    """Make all three; what has not changed since the last run is not made again.

    Args:
        docker: The environment that finds the engine.
        kept: The base is kept there, as it was made.
    """
    _import_base(docker, _base(kept))
    _build(docker, DATABASE, ROOT / "tests/compose/postgres")
    _build(docker, OURS, ROOT)


def mirror() -> str:
    """The address of this machine's own Debian archive, as its apt has it."""
    wanted = "$(REPO_URI) $(COMPONENT) $(ORIGIN) $(SUITE)"
    asked = ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]
    for line in run(asked).splitlines():
        found = line.split()
        if found[1:3] == ["main", "Debian"] and "-" not in found[3]:
            return found[0]
    raise Skipped("apt on this machine knows no Debian archive")


def _base(kept: Path) -> Path:
    """A directory with a minimal Debian, and the authorities this machine trusts."""
    root = kept / f"base-{SUITE}"
    if not root.exists():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept) as name:
            fresh = Path(name) / "root"
            asked = ["debootstrap", "--variant=minbase", "--include=ca-certificates"]
            run([*asked, SUITE, str(fresh), mirror()], wait=BUILD_SECONDS)
            if HOST_CA.is_file():
                shutil.copyfile(HOST_CA, fresh / HOST_CA.relative_to("/"))
            fresh.rename(root)
    return root


def _import_base(docker: Mapping[str, str], root: Path) -> None:
    if run(["docker", "images", "-q", BASE], docker).strip():
        return
    with subprocess.Popen(  # noqa: S603
        ["tar", "-C", str(root), "-c", "."],  # noqa: S607
        stdout=subprocess.PIPE,
    ) as packed:
        done = subprocess.run(  # noqa: S603
            ["docker", "import", "-c", 'CMD ["/bin/bash"]', "-", BASE],  # noqa: S607
            stdin=packed.stdout,
            env=dict(docker),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RunFailed(f"docker import: {done.stderr}")


def _build(docker: Mapping[str, str], tag: str, context: Path) -> None:
    asked = ["docker", "build", "-q", "-t", tag, "-f", str(context / "Containerfile")]
    arguments = {"BASE_IMAGE": BASE}
    if tag == OURS:
        arguments |= {n: os.environ[n] for n in PASSED_ON if os.environ.get(n)}
    proxies = [n for name in PROXIES for n in (name, name.upper()) if n in os.environ]
    # Without a value docker takes it from its environment: arguments are public.
    names = [*arguments, *proxies]
    asked += [word for name in names for word in ("--build-arg", name)]
    # The classic builder is in every docker; BuildKit's plugin need not be there.
    run(
        [*asked, str(context)],
        {**docker, **arguments, "DOCKER_BUILDKIT": "0"},
        wait=BUILD_SECONDS,
    )
