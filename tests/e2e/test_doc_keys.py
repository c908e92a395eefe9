"""The guides are followed: keys in a token and in a TPM, and a database of PostgreSQL.

One owner has its key in a TPM and its records in PostgreSQL; one manufacturer has a
token.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.support import softhsm
from tests.support.doc_commands import Typed
from tests.support.doc_shell import Shell, shell
from tests.support.doc_story import (
    MAKERS,
    OPERATORS,
    SECURITY,
    Part,
    Stage,
    commands,
    follow,
)
from tests.support.postgres import PrivatePostgres, binaries
from tests.support.swtpm import MakeSoftwareTpm

STORY = (
    Part(OPERATORS, "1. Keys", end=2),
    Part(OPERATORS, "2. Keylime", end=1),
    Part(SECURITY, "Keys in a TPM"),
    Part(MAKERS, "1. Set up", end=2),
    Part(SECURITY, "Keys in a token"),
    Part(OPERATORS, "PostgreSQL"),
    Part(OPERATORS, "Backups", first=2),
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    found = binaries()
    if found is None or shutil.which("psql") is None:
        pytest.skip("PostgreSQL not installed")
    server = PrivatePostgres(found, superuser="postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bash(
    tmp_path_factory: pytest.TempPathFactory,
    make_software_tpm: MakeSoftwareTpm,
    postgres: PrivatePostgres,
) -> Iterator[Shell]:
    module, home = softhsm.library(), tmp_path_factory.mktemp("guides")
    with shell(home) as found:
        found.do(f"export SOFTHSM2_CONF={softhsm.configure(home)}")
        found.instead |= {
            "/usr/lib/softhsm/libsofthsm2.so": str(module),
            "device:/dev/tpmrm0": make_software_tpm("server").start(),
            "-h 127.0.0.1": f"-h {postgres.host}",
            "@127.0.0.1:5432/owner": f"@/owner?host={postgres.host}",
        }
        yield found


def _asked_for_pins(bash: Shell, _typed: Typed) -> None:
    """It reads PINs from a terminal, and from nothing else."""
    pin = (bash.home / "manufacturing/pin").read_text().strip()
    (bash.home / "answers").write_text(f"an-officer\nan-officer\n{pin}\n{pin}\n")
    bash.do(
        "softhsm2-util() { python -m tests.support.at_terminal answers"
        ' softhsm2-util "$@"; }'
    )


def _ended(bash: Shell, _typed: Typed) -> None:
    """Nobody uses the tables while they are brought back."""
    bash.stop()


STAGE = Stage(
    before={"softhsm2-util": _asked_for_pins},
    after={
        "env $(cat owner/env) vouchgate serve": _ended,
    },
)


def test_the_guides_of_keys_and_of_postgresql_are_followed(bash: Shell) -> None:
    follow(bash, STORY, STAGE)
    assert bash.typed == commands(STORY)
    for role, custody in (("manufacturing", "pkcs11"), ("owner", "tpm")):
        kept = f"env $(cat {role}/env) vouchgate keys show --json"
        assert bash.do(f"{kept} | jq -r '.keys[].custody'") == custody
