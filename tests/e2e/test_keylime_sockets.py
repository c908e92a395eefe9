"""Registrar and verifier listen where they are told to, and nowhere else."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from attestation.keylime.pki import ensure_pki
from attestation.keylime.stack import KeylimeStack
from tests.support.keylime_stack import require_keylime
from tests.support.listening import listening

ELSEWHERE = "127.0.0.2"  # an address of this machine that nothing is on by itself
SECONDS = 120.0


def test_a_stack_listens_on_its_three_ports_of_loopback_alone(
    keylime_stack: KeylimeStack,
) -> None:
    settings = keylime_stack.client_settings()
    registrar, verifier = keylime_stack.process_groups
    urls = settings.registrar_http_url, settings.registrar_url
    assert listening(registrar) == {place(url) for url in urls}
    assert listening(verifier) == {place(settings.verifier_url)}


def place(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1"
    assert parts.port is not None
    return "tcp", parts.hostname, parts.port


@pytest.mark.parametrize(
    ("program", "used"), [("registrar", ("http", "tls")), ("verifier", ("verifier",))]
)
def test_a_program_alone_listens_on_the_address_that_it_is_given(
    program: str, used: tuple[str, ...], tmp_path: Path
) -> None:
    require_keylime()
    ports = {name: free_port() for name in ("http", "tls", "verifier")}
    expected = {("tcp", ELSEWHERE, ports[name]) for name in used}
    with running(program, tmp_path, ports) as group:
        deadline = time.monotonic() + SECONDS
        while len(found := listening(group)) < len(expected):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        assert found == expected
        # What it opens later would be seen now: it answers by then.
        socket.create_connection((ELSEWHERE, ports[used[0]]), SECONDS).close()
        assert listening(group) == expected


def test_a_program_that_listens_everywhere_would_be_seen() -> None:
    with socket.create_server(("", 0)) as door:
        assert ("tcp", "0.0.0.0", door.getsockname()[1]) in listening(os.getpgrp())  # noqa: S104
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as door:
        assert ("tcp", "::1", door.getsockname()[1]) in listening(os.getpgrp())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ELSEWHERE, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(program: str, home: Path, ports: dict[str, int]) -> Iterator[int]:
    """One of Keylime's programs as a container runs it; its group."""
    ensure_pki(home / "pki")
    command = [sys.executable, "-m", "attestation.keylime", program]
    command += ["--pki", str(home / "pki"), "--directory", str(home)]
    command += ["--bind", ELSEWHERE, "--verifier-port", str(ports["verifier"])]
    command += ["--http-port", str(ports["http"]), "--tls-port", str(ports["tls"])]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().split()[0])
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)
