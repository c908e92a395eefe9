"""Fixtures: real software TPMs, each test module with its own; skipped where absent."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hw.swtpm import SoftwareTpm, missing_programs

if TYPE_CHECKING:
    from hw.tpm import Tpm

MakeSoftwareTpm = Callable[[str], SoftwareTpm]


def require_swtpm() -> None:
    """Skip, with the reason, what cannot run on this machine."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"software TPM not installed: {', '.join(missing)}")
    pytest.importorskip("tpm2_pytss", reason="extra 'tpm' not installed")


@pytest.fixture(scope="session")
def ek_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the one EK CA of this test run."""
    require_swtpm()
    return tmp_path_factory.mktemp("ek-ca")


@pytest.fixture(scope="module")
def make_software_tpm(
    ek_ca: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeSoftwareTpm]:
    """Manufacture TPMs by name; all are stopped when the module's tests are done."""
    with ExitStack() as stack:

        def make(name: str) -> SoftwareTpm:
            software = SoftwareTpm(tmp_path_factory.mktemp("tpm"), name)
            software.manufacture(ek_ca)
            stack.callback(software.stop)
            return software

        yield make


@pytest.fixture(scope="module")
def tpm(make_software_tpm: MakeSoftwareTpm) -> "Iterator[Tpm]":
    """A running TPM, shared by a module: keys may be made anew, PCRs only extended."""
    yield from _connected(make_software_tpm("device"))


@pytest.fixture(scope="module")
def other_tpm(make_software_tpm: MakeSoftwareTpm) -> "Iterator[Tpm]":
    """A second TPM, from the same vendor."""
    yield from _connected(make_software_tpm("other"))


def _connected(software: SoftwareTpm) -> "Iterator[Tpm]":
    from hw.tpm import Tpm

    with Tpm(software.start()) as tpm:
        yield tpm
    software.stop()
