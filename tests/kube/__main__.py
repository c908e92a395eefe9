"""``python -m tests.kube``: the pods played, used, taken down and played again.

What docs/operators.md, "The same with podman kube play", has is typed as it stands
there, but for the image's build, in a copy of the pods whose database has an image of
no registry. Where podman cannot run it says so, and exits with 0.
"""

import argparse
import base64
import json
import re
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx

from tests.compose.__main__ import LIMIT_SECONDS, SIGNALS, give_up, step
from tests.compose.engine import engine
from tests.compose.images import DATABASE, KEPT, OURS, ROOT, make_base, make_images
from tests.compose.run import RunFailed, Skipped, run
from tests.compose.story import until
from tests.kube.podman import Podman, podman
from tests.support.doc_story import OPERATORS, Part, commands

STORY = (Part(OPERATORS, "The same with podman", first=1),)
PODS = "docs/examples/kube"
# Each pod, and its networks. In the order of the guide.
PLAYED = {
    "database": ("store",),
    "keylime": ("attestation",),
    "manufacturing": ("store", "edge"),
    "rendezvous": ("store", "edge"),
    "owner": ("store", "edge", "attestation"),
}
PORTS = {"manufacturing": 8081, "rendezvous": 8082, "owner": 8083}
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
    """Type the guide's commands, with a look at it before its question is asked."""
    story = [one.text for one in commands(STORY)]
    asked = next(n for n, text in enumerate(story) if text.startswith("curl"))
    checkout = found.directory / "checkout"
    pods = _copied(checkout)
    try:
        with step("networks, secrets, play"):
            found.type("\n".join(story[:asked]), checkout)
            _wait()
        with step("the guide's question and key"):
            _require_ready(found.type("\n".join(story[asked:]), checkout))
        _used(found, pods)
    except BaseException:
        for name in found("ps", "-a", "--format", "{{.Names}}").split():
            print(f"--- {name}\n{found('logs', '--tail', '20', name)}", flush=True)
        raise


def _copied(checkout: Path) -> Path:
    """The pods as they are, but for the database's image: that of no registry."""
    pods = checkout / PODS
    shutil.copytree(ROOT / PODS, pods)
    text = (pods / "database.yaml").read_text()
    (pods / "database.yaml").write_text(PINNED.sub(f"localhost/{DATABASE}", text))
    return pods


def _used(found: Podman, pods: Path) -> None:
    with step("keys and API keys"):
        before = _shown(found)
    with step("privileges, ways, secrets"):
        for pod in PLAYED:
            _check_processes(found, pod)
        _check_ways(found)
        _check_secrets(found)
    with step("down, and played again"):
        for pod in reversed(PLAYED):
            found("kube", "down", str(pods / f"{pod}.yaml"))
        for pod, networks in PLAYED.items():
            joined = [word for name in networks for word in ("--network", name)]
            found("kube", "play", *joined, str(pods / f"{pod}.yaml"))
        _wait()
        if _shown(found) != before:
            raise RunFailed("other keys after podman kube down and play")


def _require_ready(said: str) -> None:
    if '"keylime":"ok"' not in said:
        raise RunFailed(f"the owner says {said[:300]}")


def _wait() -> None:
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


def _check_secrets(found: Podman) -> None:
    """In no environment, argument or log: neither as mounted nor as it was made."""
    read = [
        found("exec", "owner-serve", "cat", f"/run/secrets/vouchgate/{one}").strip()
        for one in WORDS
    ]
    words = {*read, *(base64.b64encode(one.encode()).decode() for one in read)}
    for one in read:
        with suppress(ValueError):
            words.add(base64.b64decode(one, validate=True).decode().strip())
    for name in found("ps", "-a", "--format", "{{.Names}}").split():
        text = found("inspect", name) + found("logs", name)
        if any(word in text for word in words if word):
            raise RunFailed(f"a secret stands in {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
