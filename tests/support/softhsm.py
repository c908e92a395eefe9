"""Fixtures: SoftHSM2, a PKCS#11 token in software. PINs and keys are for TESTS.

A process loads the library once, with the tokens that are there then, so all are made
beforehand; each test takes one that no other test has.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onboarding.services.key_store import Custody
from tests.support.key_holders import KeyHolder

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)
PIN = "test-pin"
TOKENS = 16


@dataclass(frozen=True)
class SoftToken(KeyHolder):
    """One token, as the settings name it."""

    custody = Custody.PKCS11

    module: Path
    label: str
    pin_file: Path

    @property
    def named(self) -> dict[str, Any]:
        return {
            "pkcs11_module": self.module,
            "pkcs11_token": self.label,
            "pkcs11_pin_file": self.pin_file,
        }


NewToken = Callable[[], SoftToken]


def library() -> Path:
    """The library, or the test is skipped."""
    pytest.importorskip("pkcs11", reason="extra 'pkcs11' not installed")
    found = [Path(one) for one in LIBRARIES if Path(one).exists()]
    if not found or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 not installed")
    return found[0]


def configure(directory: Path, *more: str) -> Path:
    """Write a configuration of SoftHSM's for tokens in a directory."""
    tokens = directory / "tokens"
    tokens.mkdir(exist_ok=True)
    path = directory / f"softhsm2-{len(more)}.conf"
    lines = (f"directories.tokendir = {tokens}", "log.level = ERROR", *more)
    path.write_text("\n".join(lines) + "\n")
    return path


def initialise(configuration: Path, label: str) -> None:
    asked = ["softhsm2-util", "--init-token", "--free", "--label", label]
    asked += ["--so-pin", "test-so-pin", "--pin", PIN]
    environment = {**os.environ, "SOFTHSM2_CONF": str(configuration)}
    subprocess.run(asked, env=environment, check=True, capture_output=True)  # noqa: S603


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[SoftToken]]:
    """Tokens that nobody has yet, for all tests of this process."""
    module, directory = library(), tmp_path_factory.mktemp("softhsm")
    configuration, pin = configure(directory), directory / "pin"
    pin.write_text(f"{PIN}\n")
    labels = [f"vouchgate {number}" for number in range(TOKENS)]
    for label in labels:
        initialise(configuration, label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        yield iter([SoftToken(module, label, pin) for label in labels])


@pytest.fixture
def token(softhsm: Iterator[SoftToken]) -> SoftToken:
    return next(softhsm)


@pytest.fixture
def other_token(softhsm: Iterator[SoftToken]) -> SoftToken:
    return next(softhsm)
