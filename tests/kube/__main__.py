"""``python -m tests.kube``: the pods played, used, taken down and played again.

As docs/operators.md, "The same with podman kube play", has it, but for the database's
image. Where podman cannot run it says so, and exits with 0.
"""

import argparse
import base64
import json
import re
import secrets
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import httpx

from tests.compose.__main__ import LIMIT_SECONDS, SIGNALS, give_up, step
from tests.compose.engine import engine
from tests.compose.images import DATABASE, KEPT, OURS, ROOT, make_base, make_images
from tests.compose.run import RunFailed, Skipped, run
from tests.compose.story import until
from tests.kube.podman import Podman, podman

PODS = ROOT / "docs/examples/kube"
# Each pod, and its networks. In the order of the guide.
PLAYED = {
    "database": ("store",),
    "keylime": ("attestation",),
    "manufacturing": ("store", "edge"),
    "rendezvous": ("store", "edge"),
    "owner": ("store", "edge", "attestation"),
}
PORTS = {"manufacturing": 8081, "rendezvous": 8082, "owner": 8083}
INTERNAL = ("store", "attestation")
PINNED = re.compile(r"docker\.io/library/postgres:\S+")
WORDS = ("key-passphrase", "database-password")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kube")
    parser.add_argument("--kept", type=Path, default=KEPT)
    kept = parser.parse_args(arguments).kept.absolute()
    for one in SIGNALS:
        signal.signal(one, partial(give_up, LIMIT_SECONDS))
    signal.alarm(LIMIT_SECONDS)
    try:
        with podman() as found:
            _take_images(found, kept)
            _tried(found)
    except Skipped as reason:
        print(f"skipped: {reason}")
        return 0
    except RunFailed as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print("All of it holds.")
    return 0


def _take_images(found: Podman, kept: Path) -> None:
    """The two of ``make e2e-compose``, made if they are not there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        packed = f"{name}/images.tar"
        with step("images"), engine(kept / "docker") as docker:
            make_base(docker)
            make_images(docker)
            run(["docker", "save", "-o", packed, OURS, DATABASE], docker)
        with step("podman load"):
            found("load", "-i", packed)
    for image in (OURS, DATABASE):
        found("tag", image, f"localhost/{image}")


def _tried(found: Podman) -> None:
    with step("networks, secrets"):
        for name in ("store", "attestation", "edge"):
            inside = ["--internal"] if name in INTERNAL else []
            found("network", "create", *inside, name)
        words = {one: secrets.token_hex(24) for one in WORDS}
        found("kube", "play", "-", typed=_secret(words))
    try:
        _used(found, [*words.values()])
    except BaseException:
        for name in found("ps", "-a", "--format", "{{.Names}}").split():
            print(f"--- {name}\n{found('logs', '--tail', '20', name)}", flush=True)
        raise


def _used(found: Podman, words: list[str]) -> None:
    with step("play"):
        _play(found)
    with step("keys and API keys"):
        before = _shown(found)
    with step("privileges, ways, secrets"):
        for pod in PLAYED:
            _check_processes(found, pod)
        _check_ways(found)
        _check_secrets(found, words)
    with step("down, and played again"):
        for pod in reversed(PLAYED):
            found("kube", "down", str(PODS / f"{pod}.yaml"))
        _play(found)
        if _shown(found) != before:
            raise RunFailed("other keys after podman kube down and play")


def _secret(words: dict[str, str]) -> str:
    data = {
        name: base64.b64encode(word.encode()).decode() for name, word in words.items()
    }
    kind = {"apiVersion": "v1", "kind": "Secret", "data": data}
    return json.dumps({**kind, "metadata": {"name": "vouchgate-secrets"}})


def _play(found: Podman) -> None:
    """Each file as it is, but for the database's image: that of no registry."""
    for pod, networks in PLAYED.items():
        text = (PODS / f"{pod}.yaml").read_text()
        text = PINNED.sub(f"localhost/{DATABASE}", text)
        joined = [word for name in networks for word in ("--network", name)]
        found("kube", "play", *joined, "-", typed=text)
    for pod, port in PORTS.items():
        until(f"{pod}'s readiness", partial(_is_ready, port))


def _is_ready(port: int) -> bool:
    try:
        told = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30, trust_env=False)
    except httpx.TransportError:
        return False
    checks = told.json().get("checks", {})
    return told.status_code == 200 and set(checks.values()) == {"ok"}


def _shown(found: Podman) -> list[str]:
    """The keys; and it makes an API key, which needs the database."""
    made = "apikey new --role operator --name e2e --json".split()
    found("exec", "owner-serve", "vouchgate", *made)
    return [
        found("exec", f"{pod}-serve", "vouchgate", "keys", "show", "--json")
        for pod in ("owner", "manufacturing")
    ]


def _check_processes(found: Podman, pod: str) -> None:
    names = found("ps", "--filter", f"pod={pod}", "--format", "{{.Names}}").split()
    for name in (one for one in names if not one.endswith("-infra")):
        said = found("exec", name, "cat", "/proc/1/status")
        status = dict(line.split(":", 1) for line in said.splitlines())
        bounds = {status[one].strip() for one in ("CapPrm", "CapEff", "CapBnd")}
        if "0" in status["Uid"].split() or bounds != {"0" * 16}:
            raise RunFailed(f"{name}: Uid {status['Uid']}, capabilities {bounds}")
        if status["NoNewPrivs"].strip() != "1":
            raise RunFailed(f"{name}: no_new_privs is not set")
        touch = "touch /x 2>/dev/null && echo yes || true"
        wrote = found("exec", name, "sh", "-c", touch)
        if wrote.strip():
            raise RunFailed(f"{name}: its root can be written")


def _check_ways(found: Podman) -> None:
    """Only the owner reaches Keylime; and Keylime not the database."""
    tried = (
        ("owner-serve", "keylime", 8881, True),
        ("owner-serve", "database", 5432, True),
        ("manufacturing-serve", "database", 5432, True),
        ("manufacturing-serve", "keylime", 8881, False),
        ("rendezvous-serve", "keylime", 8891, False),
        ("keylime-verifier", "database", 5432, False),
    )
    for source, pod, port, wanted in tried:
        infra = json.loads(found("inspect", _infra(found, pod)))
        networks = infra[0]["NetworkSettings"]["Networks"]
        (address,) = [one["IPAddress"] for one in networks.values()]
        asked = f"timeout 3 bash -c '</dev/tcp/{address}/{port}' && echo yes || true"
        way = bool(found("exec", source, "sh", "-c", asked).strip())
        if way != wanted:
            raise RunFailed(f"is there a way from {source} to {pod}:{port}? {way}")


def _infra(found: Podman, pod: str) -> str:
    return str(json.loads(found("pod", "inspect", pod))["InfraContainerID"])


def _check_secrets(found: Podman, words: list[str]) -> None:
    """In no environment, argument or log."""
    for name in found("ps", "-a", "--format", "{{.Names}}").split():
        text = found("inspect", name) + found("logs", name)
        if any(word in text for word in words):
            raise RunFailed(f"a secret stands in {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
