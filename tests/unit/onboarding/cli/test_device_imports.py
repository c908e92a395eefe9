"""What the device's commands leave out: a small machine pays for all it imports."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.machine import Machine
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid, Hash, HashType

SHOWN = """
import json, sys
from onboarding.cli.app import run
code = run(sys.argv[1:])
print()
print(json.dumps([code, sorted(sys.modules)]))
"""
SERVERS = {
    "alembic",
    "attestation.ek_certificate",
    "fastapi",
    "jinja2",
    "onboarding.protocol.to2_owner",
    "onboarding.services.context",
    "onboarding.store.database",
    "opentelemetry",
    "pkcs11",
    "psycopg",
    "pyasn1",
    "pydantic",  # the servers' and, from its 0.29 on, Typer's
    "pydantic_settings",
    "sqlalchemy",
    "sqlite3",
    "sqlmodel",
    "starlette",
    "uvicorn",
}
CHIP = {"tpm2_pytss"}  # these devices have none
NETWORK = {"httpx", "onboarding.device.agent"}
TAKEOVER = {"onboarding.protocol.to2_device", "onboarding.device.factory"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A device without a TPM whose owner does not answer."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", None)
        config.save(tmp_path)
        with Machine(config, tmp_path) as machine:
            keys = machine.create_keys().refs
            fresh = DeviceCredential(
                Guid(b"g" * 16), "b", cbor.encode([]), Hash.of(HashType.SHA256, b"key")
            )
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
            machine.keep(Identity(fresh, Owner(key, url), keys=keys))
    return tmp_path


def imported(arguments: Sequence[str]) -> tuple[int, set[str]]:
    """Exit code of one command in a process of its own, and all it imported."""
    code, modules = told_by(SHOWN, "device", *arguments)
    return code, set(modules)


def told_by(program: str, *arguments: str) -> Any:
    """The last line of a Python program, from JSON."""
    # Measuring coverage imports things, too.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, *arguments],
        env=clean,
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_who_only_tells_of_itself_loads_no_network(directory: Path) -> None:
    code, modules = imported(["status", "--directory", str(directory)])
    assert code == 0
    assert "onboarding.device.credential" in modules
    assert not modules & (SERVERS | CHIP | NETWORK | TAKEOVER)


def test_a_device_at_work_loads_nothing_of_its_makers_and_servers(
    directory: Path,
) -> None:
    at = ["--directory", str(directory)]
    code, modules = imported(["run", "--rounds", "1", *at])
    assert code == 0
    assert modules >= NETWORK
    assert not modules & (SERVERS | CHIP | TAKEOVER)


@pytest.mark.parametrize("command", ["di", "attest", "why"])
def test_what_asks_a_service_loads_none(command: str) -> None:
    code, modules = imported([command, "--help"])
    assert code == 0
    assert "httpx" in modules
    assert not modules & (SERVERS | CHIP)


def test_a_device_that_looks_for_its_owner_loads_no_servers(directory: Path) -> None:
    code, modules = imported(["onboard", "--directory", str(directory)])
    assert code == 1  # its rendezvous information names nobody
    assert "onboarding.protocol.to2_device" in modules
    assert not modules & (SERVERS | CHIP)


def test_a_request_for_a_certificate_loads_no_other_codec() -> None:
    """In TO2, with all of it in memory, a device has the most."""
    modules = told_by(
        "import json, sys, onboarding.device.modules.csr\n"
        "print(json.dumps([*sys.modules]))"
    )
    assert not set(modules) & SERVERS


@pytest.mark.parametrize("command", ["inventory", "log", "credential"])
def test_what_is_read_off_the_machine_loads_no_network(command: str) -> None:
    code, modules = imported([command, "--help"])
    assert code == 0
    assert not modules & (SERVERS | NETWORK | TAKEOVER)
