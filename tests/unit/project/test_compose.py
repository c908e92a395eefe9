"""compose.yaml: what docker thinks of it, and what the design demands of it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.images import KEPT
from tests.compose.run import RunFailed, run, together
from tests.compose.tool import compose_here

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "compose.yaml"
PINNED = re.compile(r":[a-z0-9.-]+@sha256:[0-9a-f]{64}$")
KEYLIME = {"keylime-registrar", "keylime-verifier"}


@pytest.fixture(scope="module")
def topology() -> dict[str, Any]:
    parsed = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(parsed, dict)
    return parsed


def test_docker_compose_takes_the_file() -> None:
    command = compose_here(KEPT)
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


def test_a_secret_goes_only_to_who_needs_it(topology: dict[str, Any]) -> None:
    holders = {
        secret: {
            name
            for name, service in topology["services"].items()
            if secret in service["secrets"]
        }
        for secret in topology["secrets"]
    }
    services = {"manufacturing", "rendezvous", "owner"}
    assert holders == {
        "key-passphrase": {*services, "factory-keys", "owner-keys"},
        "database-password": {*services, "database"},
    }


def test_every_service_runs_without_privilege(topology: dict[str, Any]) -> None:
    assert topology["services"]["database"]["user"] == "999:999"
    assert len(topology["services"]) >= 9
    for service in topology["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "no-new-privileges:true" in service["security_opt"]


def test_no_secret_stands_in_the_file(topology: dict[str, Any]) -> None:
    for service in topology["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = any(word in name for word in ("PASSWORD", "PASSPHRASE"))
            assert not secret or name.endswith("_FILE"), name
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), name


def test_the_pods_for_podman_run_without_privilege_and_hold_no_secret() -> None:
    files = sorted((ROOT / "docs/examples/kube").glob("*.yaml"))
    assert len(files) == 5
    for document in (
        one for path in files for one in yaml.safe_load_all(path.read_text())
    ):
        if document["kind"] != "Pod":
            assert document["kind"] == "ConfigMap"
            continue
        for container in document["spec"]["containers"]:
            security = container["securityContext"]
            assert security["runAsNonRoot"] is True
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            for port in container.get("ports", []):
                assert port["hostIP"] == "127.0.0.1"


def test_every_base_is_pinned_by_digest(topology: dict[str, Any]) -> None:
    images = {service["image"] for service in topology["services"].values()}
    assert [one for one in images - {"vouchgate:local"} if PINNED.search(one)] == [
        topology["services"]["database"]["image"]
    ]
    assert len(images) == 2
    built = (ROOT / "Containerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", built, re.M)
    stages = re.findall(r"^FROM \S+ AS (\S+)$", built, re.M)
    assert set(bases) - set(stages) == {"${BASE_IMAGE}"}
    (default,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", built, re.M)
    assert PINNED.search(default)


def test_on_a_site_without_a_net_nothing_is_pulled(topology: dict[str, Any]) -> None:
    beside = yaml.safe_load((ROOT / "docs/examples/air-gapped.yaml").read_text())
    assert beside["services"].keys() == topology["services"].keys()
    assert {one["pull_policy"] for one in beside["services"].values()} == {"never"}


def test_the_pods_take_the_images_that_compose_takes(topology: dict[str, Any]) -> None:
    taken = {
        container["image"].removeprefix("docker.io/library/").removeprefix("localhost/")
        for path in (ROOT / "docs/examples/kube").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "Pod"
        for container in document["spec"]["containers"]
    }
    assert taken == {one["image"] for one in topology["services"].values()}


def test_the_pods_make_the_databases_that_compose_makes() -> None:
    pods = ROOT / "docs/examples/kube/database.yaml"
    configured = next(iter(yaml.safe_load_all(pods.read_text())))["data"]
    wanted = (ROOT / "docs/examples/databases.sql").read_text()
    assert configured == {"10-databases.sql": wanted}


def test_the_image_holds_what_runs_and_no_tool_of_tests() -> None:
    copied = (ROOT / "Containerfile").read_text()
    assert "requirements/run.txt" in copied
    assert "requirements/all.txt" not in copied
    pins = {
        name: set(
            re.findall(r"^[a-z][^ ]*", (ROOT / "requirements" / name).read_text(), re.M)
        )
        for name in ("run.txt", "all.txt")
    }
    assert pins["run.txt"] < pins["all.txt"]
    assert not [
        one for one in pins["run.txt"] if one.startswith(("pytest", "mypy", "ruff"))
    ]


def test_what_fails_ends_the_commands_beside_it() -> None:
    def fail() -> None:
        raise RunFailed("at once")

    with pytest.raises(RunFailed, match="at once"):
        together(fail, lambda: run(["sleep", "3600"]))
    assert run(["echo", "on"]) == "on\n"


def test_a_command_that_fails_beside_others_is_told_of() -> None:
    with pytest.raises(RunFailed, match="false: 1"):
        together(lambda: run(["true"]), lambda: run(["false"]))
