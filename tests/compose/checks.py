"""What compose.yaml promises of its containers, asked of docker and of themselves."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.compose.images import OURS
from tests.compose.project import EVERYONE, KEYLIME, SERVICES, Project
from tests.compose.run import RunFailed, run, together

KEYLIME_PORTS = {"keylime-registrar": (8890, 8891), "keylime-verifier": (8881,)}
# Its shell ends by the signal; what of Keylime is too slow is killed in its container
# (attestation/keylime/supervisor.py).
ENDS = {
    "device": {0, 128 + 15},
    "keylime-registrar": {0, 128 + 9},
    "keylime-verifier": {0, 128 + 9},
}
# Says yes or no of each host and port, and fails for anything that is neither.
CONNECT = """\
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def tried(way):
    host, _, port = way.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        return "yes"
    except OSError:
        return "no"
with ThreadPoolExecutor(32) as pool:
    print(*pool.map(tried, sys.argv[1:]))
"""


def check_hardening(containers: dict[str, dict[str, Any]]) -> None:
    """Each container: no root, no writable root, no capability, no way to more."""
    missing = EVERYONE - containers.keys()
    if missing:
        raise RunFailed(f"no container of {', '.join(sorted(missing))}")
    wrong = [
        f"{service}: {what}"
        for service, found in sorted(containers.items())
        for what in _soft(found)
    ]
    if wrong:
        raise RunFailed("; ".join(wrong))


def _soft(found: dict[str, Any]) -> Iterator[str]:
    host = found["HostConfig"]
    if found["Config"]["User"].partition(":")[0] in ("", "0", "root"):
        yield "runs as root"
    if not host["ReadonlyRootfs"]:
        yield "its root can be written"
    if host["CapDrop"] != ["ALL"] or host["CapAdd"]:
        yield f"capabilities: drop {host['CapDrop']}, add {host['CapAdd']}"
    if "no-new-privileges:true" not in (host["SecurityOpt"] or []):
        yield "may gain privileges"
    if host["Privileged"] or host["PidMode"] == "host" or host["NetworkMode"] == "host":
        yield "shares the host"


def check_processes(project: Project) -> None:
    """The same as the kernel has it: what runs, not what was asked for."""
    together(*(partial(_check_process, project, one) for one in sorted(EVERYONE)))


def _check_process(project: Project, service: str) -> None:
    said = project.exec(service, "cat", "/proc/1/status")
    status = dict(line.split(":", 1) for line in said.splitlines())
    bounds = {status[name].strip() for name in ("CapPrm", "CapEff", "CapBnd")}
    if "0" in status["Uid"].split() or bounds != {"0" * 16}:
        raise RunFailed(f"{service}: Uid {status['Uid']}, capabilities {bounds}")
    if status["NoNewPrivs"].strip() != "1":
        raise RunFailed(f"{service}: no_new_privs is not set")


def check_secrets(
    project: Project, containers: dict[str, dict[str, Any]], words: list[str]
) -> None:
    """No secret in environment, arguments, labels, image or logs."""
    history = run(["docker", "history", "--no-trunc", OURS], project.docker)
    image = run(["docker", "inspect", OURS], project.docker)
    places = {
        "the image's history": history,
        "the image": image,
        "the logs": project.compose("logs", "--no-color"),
        **{name: json.dumps(found) for name, found in containers.items()},
    }
    found = [where for where, text in places.items() for one in words if one in text]
    if found:
        raise RunFailed(f"a secret stands in {', '.join(found)}")


def check_ends(containers: dict[str, dict[str, Any]]) -> None:
    """Whatever was told to stop has ended by itself, and well."""
    wrong = [
        f"{service} {found['State']['Status']}, {found['State']['ExitCode']}"
        for service, found in sorted(containers.items())
        if found["State"]["Status"] != "exited"
        or found["State"]["ExitCode"] not in ENDS.get(service, {0})
    ]
    if wrong:
        raise RunFailed(f"told to stop: {'; '.join(wrong)}")


def check_gone(project: Project) -> None:
    """Nothing is left of it in docker."""
    asked = ("container ls -a", "volume ls", "network ls --filter type=custom")
    for words in asked:
        left = run(["docker", *words.split(), "-q"], project.docker).split()
        if left:
            raise RunFailed(f"left behind: docker {words} shows {', '.join(left)}")


def network_checks(
    project: Project, containers: dict[str, dict[str, Any]]
) -> Iterator[Callable[[], None]]:
    """Keylime and the database answer on their own networks, and on no other.

    Each is for itself: what cannot be reached takes its time to say so.
    """
    for service in KEYLIME | {"database"}:
        if any(containers[service]["NetworkSettings"]["Ports"].values()):
            raise RunFailed(f"{service} is published")
    for source in sorted(SERVICES | KEYLIME | {"device"}):
        yield partial(_check_ways, project, containers, source)


def _check_ways(
    project: Project, containers: dict[str, dict[str, Any]], source: str
) -> None:
    ways = dict(_ways(source, containers))
    said = project.exec_python(source, CONNECT, *ways).split()
    for (way, wanted), found in zip(ways.items(), said, strict=True):
        if found != ("yes" if wanted else "no"):
            raise RunFailed(f"is there a way from {source} to {way}? {found}")


def _ways(
    source: str, containers: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, bool]]:
    """Where to, by name and by each address; and whether there is to be a way."""
    for target, port, wanted in _targets(source):
        networks = containers[target]["NetworkSettings"]["Networks"].values()
        for host in (target, *(network["IPAddress"] for network in networks)):
            yield f"{host}:{port}", wanted


def _targets(source: str) -> Iterator[tuple[str, int, bool]]:
    yield "database", 5432, source in SERVICES
    if source in KEYLIME:
        # Out of Keylime's network, to what devices reach.
        yield "manufacturing", 8080, False
        yield "rendezvous", 8080, False
        return
    for target, ports in KEYLIME_PORTS.items():
        for port in ports:
            yield target, port, source == "owner"
