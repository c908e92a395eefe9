"""compose.yaml: what docker thinks of it, and what the design demands of it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "compose.yaml"
KEYLIME = {"keylime-registrar", "keylime-verifier"}


@pytest.fixture(scope="module")
def topology() -> dict[str, Any]:
    parsed = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(parsed, dict)
    return parsed


def _compose_command() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        asked = [*command, "version", "--short"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        version = answer.stdout.strip().removeprefix("v")
        if answer.returncode == 0 and int(version.partition(".")[0] or 0) >= 2:
            return command
    return None


def test_docker_compose_takes_the_file() -> None:
    command = _compose_command()
    if command is None:
        pytest.skip("no docker compose 2 on this machine")
    asked = [*command, "-f", str(COMPOSE), "--profile", "device", "config", "-q"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    assert answer.returncode == 0, answer.stderr


def test_no_port_is_published_beyond_loopback(topology: dict[str, Any]) -> None:
    published = [
        port
        for service in topology["services"].values()
        for port in service.get("ports", [])
    ]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_only_the_owner_shares_a_network_with_keylime(topology: dict[str, Any]) -> None:
    inside = {
        name
        for name, service in topology["services"].items()
        if "attestation" in service.get("networks", [])
    }
    assert inside == {*KEYLIME, "owner"}
    assert topology["networks"]["attestation"]["internal"] is True
    assert all(
        topology["services"][name]["networks"] == ["attestation"] for name in KEYLIME
    )


def test_the_device_reaches_neither_database_nor_keylime(
    topology: dict[str, Any],
) -> None:
    device = topology["services"]["device"]
    assert device["networks"] == ["edge"]
    assert device["secrets"] == []


def test_every_service_of_ours_runs_without_privilege(topology: dict[str, Any]) -> None:
    ours = {n: s for n, s in topology["services"].items() if n != "database"}
    assert len(ours) >= 8
    for service in ours.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "no-new-privileges:true" in service["security_opt"]


def test_no_secret_stands_in_the_file(topology: dict[str, Any]) -> None:
    for service in topology["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = any(word in name for word in ("PASSWORD", "PASSPHRASE"))
            assert not secret or name.endswith("_FILE"), name
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), name
