"""The images, from nothing but this machine's package mirror and its own settings."""

import os
import tempfile
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from tests.compose.run import Skipped, run, together

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build/e2e-compose"  # from run to run: base, images, compose
BASE = "vouchgate-ci/base:bookworm"
DATABASE = "vouchgate-ci/postgres:bookworm"
OURS = "vouchgate:local"
SUITE = "bookworm"
HOST_CA = Path("/etc/ssl/certs/ca-certificates.crt")
# As in Debian's own slim images; and a mirror that stumbles is asked again.
_DPKG = (
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)
_APT = ('Acquire::Languages "none"', 'Acquire::Retries "3"')
# Taken over from whoever runs this, where they are set.
PASSED_ON = ("PIP_CERT", "PIP_INDEX_URL")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def make_base(docker: Mapping[str, str]) -> None:
    """A minimal Debian that trusts whom this machine trusts, unless it is there.

    Args:
        docker: The environment that finds the engine.
    """
    if run(["docker", "images", "-q", BASE], docker).strip():
        return
    with tempfile.TemporaryDirectory() as name:
        packed = f"{name}/base.tar"
        asked = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates"]
        asked += [f"--dpkgopt={one}" for one in _DPKG]
        asked += [f"--aptopt={one}" for one in _APT]
        if HOST_CA.is_file():
            asked += [f"--customize-hook=copy-in {HOST_CA} {HOST_CA.parent}"]
        run([*asked, SUITE, packed, mirror()])
        run(["docker", "import", "-c", 'CMD ["/bin/bash"]', packed, BASE], docker)


def make_images(docker: Mapping[str, str]) -> None:
    """Make the others; what has not changed since the last run is not made again."""
    together(
        partial(_build, docker, OURS, ROOT),
        partial(_build, docker, DATABASE, ROOT / "tests/compose/postgres"),
    )


@cache
def mirror() -> str:
    """The address of this machine's own Debian archive, as its apt has it."""
    wanted = "$(REPO_URI) $(COMPONENT) $(ORIGIN) $(SUITE)"
    asked = ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]
    for line in run(asked).splitlines():
        found = line.split()
        if found[1:3] == ["main", "Debian"] and "-" not in found[3]:
            return found[0]
    raise Skipped("apt on this machine knows no Debian archive")


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
        wait=3600,  # how long all of it may take is the caller's to say
    )
