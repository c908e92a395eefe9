"""The real Keylime registrar and verifier, run as child processes on loopback.

One verifier in push mode serves the evidence and the push channel. Whether
``/verify/evidence`` works there was decided by running it (7.14.3): it does, as
tests/e2e show for RSA and ECC attestation keys, since the version 2 routes are the same
in both modes. So a verifier in pull mode is for the pull channel alone. What push mode
lacks is ``/version``, which answers 410 Gone there; that is how readiness and mode are
told.
"""

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from attestation.keylime.directory import claimed, drop_unfinished, mark_complete
from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.http import admin_http
from attestation.keylime.launch import (
    PROGRAMS,
    program_command,
    program_environment,
    program_path,
    write_configuration,
)
from attestation.keylime.pgp import PgpModule, find_pgp
from attestation.keylime.pki import Pki, ensure_pki
from attestation.keylime.processes import Program
from attestation.keylime.results import VerifierMode
from attestation.keylime.settings import HOST, KeylimeSettings, Ports, StackOptions

ATTEMPTS = 3
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Running:
    ports: Ports
    programs: tuple[Program, ...]


class KeylimeStack:
    """Registrar and verifier with their own certificates, databases and ports.

    Needs no privilege and nothing outside ``directory``, where everything is kept:
    ``pki/``, ``registrar/`` and ``verifier/`` (work directories with the SQLite files),
    ``*.conf`` and ``*.log``. Ports are free ones, chosen at each start. One stack runs
    in a directory at a time.
    """

    def __init__(self, directory: Path, options: StackOptions | None = None) -> None:
        self._directory = directory.absolute()
        self._options = options or StackOptions()
        self._running: _Running | None = None
        self._pgp: PgpModule | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def process_groups(self) -> tuple[int, ...]:
        """Group ids of the running programs, one each."""
        return tuple(p.group for p in self._running.programs) if self._running else ()

    @property
    def maker_cas(self) -> Path:
        """Where the registrar looks for CAs that certify IAK and IDevID, a PEM each."""
        return self._directory / "tpm_cert_store"

    def start(self) -> None:
        """Start both programs and return when both answer over mTLS.

        Raises:
            KeylimeStartError: Keylime is not installed, the directory is another
                stack's or cannot be written, or there was no answer within
                ``start_timeout``; says what the program wrote last.
        """
        if self._running is not None:
            raise KeylimeStartError("this stack is running already")
        for name in PROGRAMS:
            program_path(name)  # both are there, before either is started
        try:
            with claimed(self._directory, self._options.stop_grace) as hold:
                drop_unfinished(self._directory)
                self._start_somewhere(hold)
                mark_complete(self._directory)
        except OSError as error:
            self.stop()
            raise KeylimeStartError(
                f"cannot run in {self._directory}: {error}"
            ) from error

    def _start_somewhere(self, hold: int) -> None:
        """Try again on other ports when somebody takes one before Keylime does."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._start_once(hold)
            except _PortTaken as error:
                if attempt == ATTEMPTS:
                    raise KeylimeStartError(str(error)) from error

    def stop(self) -> None:
        """End every process of the stack; harmless when none is running."""
        running, self._running = self._running, None
        if running is None:
            return
        for program in running.programs:
            program.request_stop()
        try:
            running.programs[0].stop()
        finally:
            running.programs[1].stop()

    def client_settings(self) -> KeylimeSettings:
        """Return where the running programs answer and how to be administrator."""
        if self._running is None:
            raise KeylimeStartError("this stack is not running")
        return _settings(Pki(self._directory / "pki"), self._running.ports)

    def _pgp_module(self) -> PgpModule:
        if self._pgp is None:
            self._pgp = find_pgp(self._directory / "python-path")
        return self._pgp

    def _start_once(self, hold: int) -> None:
        pki = ensure_pki(self._directory / "pki")
        ports = _free_ports()
        write_configuration(self._directory, pki, ports, self._options)
        programs = (self._launch("registrar", hold), self._launch("verifier", hold))
        self._running = _Running(ports, programs)
        try:
            deadline = time.monotonic() + self._options.start_timeout
            for program in programs:
                program.wait_started(deadline - time.monotonic())
            self._wait_ready(_settings(pki, ports), programs, deadline)
        except BaseException:
            self.stop()
            raise

    def _launch(self, name: str, hold: int) -> Program:
        pgp = self._pgp_module()
        return Program(
            program_command(name),
            program_environment(self._directory, name, pgp),
            self._directory / name,
            self._directory / f"{name}.log",
            self._options.stop_grace,
            (hold,),
        )

    def _ready_status(self) -> int:
        return 410 if self._options.mode is VerifierMode.PUSH else 200

    def _wait_ready(
        self, settings: KeylimeSettings, programs: tuple[Program, ...], deadline: float
    ) -> None:
        waiting = {
            f"{settings.registrar_url}/version": (programs[0], 200),
            f"{settings.verifier_url}/version": (programs[1], self._ready_status()),
        }
        with admin_http(settings) as http:
            while waiting:
                for url, (program, status) in list(waiting.items()):
                    _check_alive(program)
                    if _answers(http, url, status):
                        del waiting[url]
                if time.monotonic() > deadline:
                    raise KeylimeStartError(f"no answer from {', '.join(waiting)}")
                time.sleep(POLL_SECONDS)


class _PortTaken(Exception):
    """Somebody bound one of the ports after we had found it free."""


def _settings(pki: Pki, ports: Ports) -> KeylimeSettings:
    return KeylimeSettings(
        verifier_url=f"https://{HOST}:{ports.verifier}",
        registrar_url=f"https://{HOST}:{ports.registrar_tls}",
        registrar_http_url=f"http://{HOST}:{ports.registrar_http}",
        ca=pki.ca,
        cert=pki.certificate("owner"),
        key=pki.key("owner"),
    )


def _free_ports() -> Ports:
    """Keylime cannot be given a socket, so this is a guess that ``start`` repeats."""
    sockets = [socket.socket() for _ in range(3)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return Ports(*(each.getsockname()[1] for each in sockets))
    finally:
        for each in sockets:
            each.close()


def _check_alive(program: Program) -> None:
    if program.running():
        return
    tail = program.log_tail()
    if "Address already in use" in tail:
        raise _PortTaken(tail)
    raise KeylimeStartError(f"Keylime ended at start: {tail}")


def _answers(http: httpx.Client, url: str, status: int) -> bool:
    """Our own authority signed the other side, so no stranger's port can pass."""
    try:
        return http.get(url).status_code == status
    except httpx.TransportError:
        return False
