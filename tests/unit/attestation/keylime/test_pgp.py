"""Keylime starts with or without a gpg module, and without one refuses PGP."""

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from attestation.keylime.pgp import REFUSING_MODULE, PgpSupport, find_pgp

BLOCK = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"


def package(directory: Path, source: str) -> Path:
    (directory / "gpg").mkdir()
    (directory / "gpg" / "__init__.py").write_text(source)
    (directory / "gpg" / f"_gpgme{EXTENSION_SUFFIXES[0]}").touch()
    return directory


@pytest.fixture(autouse=True)
def _no_gpg_of_its_own(tmp_path: Path) -> None:
    if find_pgp(tmp_path / "probe", ()).support is PgpSupport.INSTALLED:
        pytest.skip("this environment has a working gpg module of its own")


def test_only_the_module_is_taken_from_the_system(tmp_path: Path) -> None:
    system = package(tmp_path, "class Context: pass")
    (system / "requests.py").write_text("")
    found = find_pgp(tmp_path / "private", [system])
    assert found.support is PgpSupport.DEBIAN
    assert found.path is not None
    assert os.listdir(found.path) == ["gpg"]


def test_a_module_that_cannot_be_loaded_is_not_taken(tmp_path: Path) -> None:
    system = package(tmp_path, "raise ImportError('undefined symbol')")
    assert find_pgp(tmp_path / "private", [system]).support is PgpSupport.REFUSED


def test_a_module_for_another_interpreter_is_not_taken(tmp_path: Path) -> None:
    system = package(tmp_path, "class Context: pass")
    (system / "gpg" / f"_gpgme{EXTENSION_SUFFIXES[0]}").unlink()
    (system / "gpg" / "_gpgme.cpython-27-x86_64-linux-gnu.so").touch()
    assert find_pgp(tmp_path / "private", [system]).support is PgpSupport.REFUSED


def test_with_ours_keylime_refuses_pgp_signatures() -> None:
    pytest.importorskip("keylime", reason="extra 'keylime' not installed")
    program = (
        "import sys; from keylime.signing import verify_signature;"
        f"sys.exit(verify_signature({BLOCK.encode()!r}, b'signature', b'policy'))"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(REFUSING_MODULE), "KEYLIME_DIR": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr  # that is, False
    assert "no working gpg module" in done.stderr
