"""What a container runs: certificates once, then one program until SIGTERM."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from attestation.keylime.__main__ import main
from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.http import admin_http
from attestation.keylime.launch import program_path
from attestation.keylime.pki import Pki
from attestation.keylime.settings import KeylimeSettings

SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_certificates_are_made_once(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    assert main(["pki", "--pki", str(pki.directory), "--host", "verifier"]) == 0
    before = pki.ca.read_bytes()
    assert main(["pki", "--pki", str(pki.directory)]) == 0
    assert pki.ca.read_bytes() == before


def test_a_program_without_certificates_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["registrar", "--pki", str(tmp_path)])
    assert exit_.value.code == 2
    assert "run 'pki' first" in capsys.readouterr().err


def test_the_registrar_serves_until_sigterm(tmp_path: Path) -> None:
    try:
        program_path("registrar")
    except KeylimeStartError as error:
        pytest.skip(str(error))
    pki = Pki(tmp_path / "pki")
    main(["pki", "--pki", str(pki.directory)])
    codes = (served(tmp_path, pki) for _ in range(10))
    assert next(code for code in codes if code is not None) == 0


def served(directory: Path, pki: Pki) -> int | None:
    """Its exit code after SIGTERM; None when its ports were taken before it began."""
    port, said = free_port(), directory / "log"
    command = [sys.executable, "-m", "attestation.keylime", "registrar"]
    command += ["--pki", str(pki.directory), "--directory", str(directory)]
    command += ["--tls-port", str(port), "--http-port", str(free_port())]
    url = f"https://127.0.0.1:{port}"
    owner = (pki.ca, pki.certificate("owner"), pki.key("owner"))
    with (
        said.open("wb") as log,
        subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        try:
            answered = answers(KeylimeSettings(url, url, url, *owner), process)
        finally:
            process.send_signal(signal.SIGTERM)
        code = process.wait(SECONDS)
    if answered:
        return code
    assert "Address already in use" in said.read_text()
    return None


def answers(settings: KeylimeSettings, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + SECONDS
    with admin_http(settings) as http:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return http.get(f"{settings.registrar_url}/version").is_success
            except httpx.TransportError:
                time.sleep(0.05)
    return False
