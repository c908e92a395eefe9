"""One real process that is all three services, as the commands set it up."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.api import connected
from onboarding.cli.app import run

Capture = pytest.CaptureFixture[str]
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """A service that is everything at once, and the directory it lives in."""

    home: Path
    port: int
    ca: Path | None = None  # of the authority behind its certificate

    @property
    def scheme(self) -> str:
        return "http" if self.ca is None else "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    def key(self, role: str) -> Path:
        return self.home / f"{role}.apikey"


@contextmanager
def running_site(
    home: Path,
    ca: Path | None = None,
    algorithms: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """Make keys by command, then run ``vouchgate serve --role all``.

    With ``ca`` it serves TLS by ``tls.crt`` and ``tls.key`` in ``home``. There are keys
    on P-256, and more ones of ``algorithms``. ``more`` is added to its environment.
    """
    (home / "passphrase").write_text("of a test\n")
    settings: dict[str, object] = {
        "KEY_DIRECTORY": home / "keys",
        "KEY_PASSPHRASE_FILE": home / "passphrase",
        "DATABASE_URL": f"sqlite:///{home / 'all.db'}",
        "TASK_POLL_SECONDS": 0.1,
    }
    if ca is not None:
        settings |= {"TLS_CERTIFICATE": home / "tls.crt", "TLS_KEY": home / "tls.key"}
        settings |= {"CA": ca}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(f"VOUCHGATE_{name}", str(value))
        for name, text in (more or {}).items():
            patch.setenv(name, text)
        _make_keys(home)
        for one in algorithms:
            _make_more_keys(one)
        with _serving(home) as port:
            yield configured(Site(home, port, ca))


def _make_keys(home: Path) -> None:
    for kind in ("owner", "manufacturer", "device-ca"):
        assert run(["keys", "new", "--kind", kind]) == 0
    for role in ("manufacturer", "operator", "security"):
        out = str(home / f"{role}.apikey")
        assert run(["apikey", "new", "--role", role, "--name", role, "--out", out]) == 0


def _make_more_keys(algorithm: str) -> None:
    for kind in ("owner", "manufacturer"):
        named = ["--name", f"{kind}-{algorithm.lower()}", "--kind", kind]
        assert run(["keys", "new", *named, "--algorithm", algorithm]) == 0


@contextmanager
def _serving(home: Path) -> Iterator[int]:
    port_file = home / "port"
    command = ["serve", "--role", "all", "--port", "0", "--port-file", str(port_file)]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "onboarding.cli", *command], stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield _port_of(process, port_file)
        finally:
            process.terminate()


def _port_of(process: "subprocess.Popen[bytes]", port_file: Path) -> int:
    deadline = time.monotonic() + 120
    while not port_file.exists():
        log = port_file.with_name("log").read_text()
        assert process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
    return int(port_file.read_text())


def configured(site: Site, **more: object) -> Site:
    """Tell the site where it is, and whose vouchers its rendezvous takes.

    ``more`` goes into the rendezvous information.
    """
    here = {"ip": HOST, "device_port": site.port, "owner_port": site.port}
    directive = {**here, "protocol": site.scheme, **more}
    address = {"ip": HOST, "dns": None, "port": site.port, "protocol": site.scheme}
    call(site, "manufacturer", "PUT", "rvinfo", {"directives": [directive]})
    call(site, "operator", "PUT", "to2-address", {"addresses": [address]})
    keys = call(site, "operator", "GET", "keys")
    makers = [k["fingerprint"] for k in keys["items"] if k["kind"] == "manufacturer"]
    trust = {"manufacturers": makers, "device_cas_pem": ""}
    call(site, "security", "PUT", "trust", trust)
    return site


def call(
    site: Site, role: str, method: str, path: str, value: object = None
) -> dict[str, Any]:
    """Make one call of the management API with the key of ``role``."""
    with connected(site.url, site.key(role), site.ca) as api:
        found = api.json(method, path, value)
    return found if isinstance(found, dict) else {}


def answer(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, object]:
    """Run a command with ``--json`` and return what it prints."""
    capsys.readouterr()
    assert run([*arguments, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found
