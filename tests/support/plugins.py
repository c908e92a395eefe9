"""Packages with plug-ins, installed for one test."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from onboarding.device.config import DeviceConfig
from onboarding.device.machine import Machine
from onboarding.device.modules.permits import FILE
from onboarding.plugins import load

BROKEN = "import something_that_is_not_there\n"
RAISES = "def make(*_):\n    raise RuntimeError('no module today')\n"
NO_MODULE = "def make(*_):\n    return object()\n"
EXAMPLE = Path(__file__).parents[2] / "docs/examples/serviceinfo-motd"
_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "vouchgate-test-{name}"
version = "1"

[project.entry-points."{group}"]
"{module}" = "{name}:make"

[tool.hatch.build.targets.wheel]
include = ["{name}.py"]
"""


class Installed:
    """A directory on the path, into which packages are installed by pip."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.site = directory / "site"
        self.site.mkdir()

    def example(self) -> None:
        """Install the example of the documentation."""
        source = self._directory / "example"
        shutil.copytree(EXAMPLE, source)
        self._install(source)

    def package(self, name: str, group: str, module: str, code: str) -> None:
        """Install a package that brings ``module``; ``make`` in ``code`` makes it."""
        source = self._directory / name
        source.mkdir()
        project = _PROJECT.format(name=name, group=group, module=module)
        (source / "pyproject.toml").write_text(project)
        (source / f"{name}.py").write_text(code)
        self._install(source)

    def _install(self, source: Path) -> None:
        subprocess.run(  # noqa: S603 - this interpreter, our own files
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index"),
                *("--no-deps", "--no-build-isolation", "--target", str(self.site)),
                str(source),
            ],
            check=True,
        )
        load.cache_clear()


@contextmanager
def installed_in(directory: Path) -> Iterator[Installed]:
    """What is installed is found until the block ends."""
    pytest.importorskip("hatchling", reason="packages are built with hatchling")
    made = Installed(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(made.site)
        yield made
    load.cache_clear()


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    directory = tmp_path / "installed"
    directory.mkdir()
    with installed_in(directory) as made:
        yield made


def machine_with(directory: Path, plugins: dict[str, Any]) -> Machine:
    directory.mkdir()
    (directory / FILE).write_text(json.dumps({"plugins": plugins}))
    config = DeviceConfig("SN-1", "generic-sbc", "model", tcti=None)
    return Machine(config, directory)
