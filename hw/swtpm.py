"""Software TPMs for tests and demonstrations: manufacture one, run it, stop it.

Each is a real ``swtpm`` with an EK certificate from a local EK CA, as a chip vendor
would issue it. Anyone on this machine who can reach its loopback port can use it: this
is no place for keys of value.
"""

import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from hw.errors import SoftwareTpmError

PROGRAMS = ("swtpm", "swtpm_setup", "swtpm_localca", "certtool", "setpriv")
PCR_BANKS = "sha256,sha384"
_PORTS = range(20_000, 32_000, 2)  # below the ports Linux hands out by itself
_ATTEMPTS = 20
_START_SECONDS = 10
_STOP_SECONDS = 5
_SETUP_SECONDS = 60
_GET_RANDOM = bytes.fromhex("80010000000c0000017b0001")  # one byte
_SHUTDOWN = bytes.fromhex("80010000000c000001450000")  # TPM2_Shutdown(CLEAR)


def missing_programs() -> list[str]:
    """What has to be installed before a software TPM can be made (Debian packages
    swtpm, swtpm-tools, gnutls-bin, util-linux); empty when all is there."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class SoftwareTpm:
    """One software TPM with its state in a directory of its own.

    It dies with the process that started it, however that ends.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Nothing is made or started yet.

        Args:
            directory: Parent of this TPM's state directory, which is ``name``.
            name: A file name; also what errors call this TPM.
        """
        self.name = name
        self.state = (directory / name).resolve()
        self._permanent = self.state / "tpm2-00.permall"
        self._pid_file = self.state / "swtpm.pid"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None

    def manufacture(self, ca_directory: Path) -> None:
        """Make the TPM's seeds, EKs (RSA-2048, P-384) and EK certificates.

        TPMs made with the same ``ca_directory`` share its root and issuer, which the
        first one creates. Both directories are made as needed.

        Raises:
            SoftwareTpmError: Programs are missing or fail, or this TPM exists already.
        """
        _require_programs()
        if self.manufactured:
            raise SoftwareTpmError(f"TPM {self.name} exists already")
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = _write_ca_config(ca_directory.resolve())
        self._run_setup(
            ["--config", str(config), "--create-ek-cert", "--pcr-banks", PCR_BANKS]
        )

    def _run_setup(self, options: list[str]) -> None:
        command = ["swtpm_setup", "--tpm2", "--tpmstate", str(self.state)]
        try:
            done = subprocess.run(  # noqa: S603 - our own words and paths, no shell
                [*command, *options],
                capture_output=True,
                timeout=_SETUP_SECONDS,
                check=False,
                text=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SoftwareTpmError(f"cannot make TPM {self.name}: {error}") from error
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise SoftwareTpmError(f"cannot make TPM {self.name}: {''.join(last)}")

    @property
    def manufactured(self) -> bool:
        """Whether ``manufacture`` has been called, ever."""
        return self._permanent.exists()

    def start(self, port: int | None = None) -> str:
        """Power the TPM on, PCRs reset; returns its TCTI string.

        Args:
            port: Its loopback port, the next one being used as well; else any.

        Raises:
            SoftwareTpmError: It runs already, was not manufactured, or does not start.
        """
        _require_programs()
        if self._process is not None:
            raise SoftwareTpmError(f"TPM {self.name} runs already")
        if not self.manufactured:
            raise SoftwareTpmError(f"TPM {self.name} was never manufactured")
        for _ in range(_ATTEMPTS if port is None else 1):
            self._port = secrets.choice(_PORTS) if port is None else port
            self._launch(self._port)
            if self._ready():
                return f"swtpm:host=127.0.0.1,port={self._port}"
            self.stop()  # most likely another program took one of the two ports
        raise SoftwareTpmError(f"TPM {self.name} does not start")

    def _launch(self, port: int) -> None:
        self._pid_file.unlink(missing_ok=True)
        command = [
            *("setpriv", "--pdeathsig", "KILL", "swtpm", "socket", "--tpm2"),
            *("--tpmstate", f"dir={self.state}"),
            *("--server", f"type=tcp,port={port},bindaddr=127.0.0.1"),
            *("--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1"),
            *("--flags", "not-need-init,startup-clear"),
            *("--pid", f"file={self._pid_file}"),
        ]
        launched = threading.Event()
        self._keeper = threading.Thread(
            target=self._keep, args=(command, launched), daemon=True
        )
        self._keeper.start()
        launched.wait()

    def _keep(self, command: list[str], launched: threading.Event) -> None:
        """Fork from a thread that outlives the child.

        The parent-death signal follows the *thread* that forked, so the caller's own
        thread, which may end long before the process does, must not be the one.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - as above
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            self._process = process
        except OSError:
            return  # start() finds no process, and says so
        finally:
            launched.set()
        process.wait()

    def _ready(self) -> bool:
        """Whether it has come up; waits for that, or for its end."""
        deadline = time.monotonic() + _START_SECONDS
        while self._process is not None and time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            # Another program's port would answer as well: the pid file tells that ours
            # has got both ports, the answer that it has come up.
            if self._pid_file.exists() and _tell(self._port, _GET_RANDOM):
                return True
            time.sleep(0.005)
        return False

    def stop(self) -> None:
        """Power the TPM off; it keeps its keys and NV. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        # After a loss of power that it was not told of, a TPM calls its clock unsafe.
        _tell(self._port, _SHUTDOWN)
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._keeper is not None:
            self._keeper.join()
        self._pid_file.unlink(missing_ok=True)


def ek_ca_certificates(ca_directory: Path) -> list[bytes]:
    """The EK CA's certificates in PEM: the issuer, then the root.

    Raises:
        SoftwareTpmError: No TPM has been manufactured with this directory yet.
    """
    try:
        return [
            (ca_directory / name).read_bytes()
            for name in ("issuercert.pem", "swtpm-localca-rootca-cert.pem")
        ]
    except OSError as error:
        raise SoftwareTpmError(f"no EK CA in {ca_directory}") from error


def _tell(port: int, command: bytes) -> bool:
    """Send one raw TPM command; whether any answer came."""
    with suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(command)
            return bool(connection.recv(16))
    return False


def _require_programs() -> None:
    missing = missing_programs()
    if missing:
        raise SoftwareTpmError(f"not installed: {', '.join(missing)}")


def _write_ca_config(ca: Path) -> Path:
    """Files telling swtpm_setup to issue EK certificates from the CA in ``ca``."""
    ca.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_config = ca / "localca.conf"
    _write(
        ca_config,
        f"statedir = {ca}\nsigningkey = {ca}/signkey.pem\n"
        f"issuercert = {ca}/issuercert.pem\ncertserial = {ca}/certserial\n",
    )
    options = ca / "localca.options"
    _write(
        options,
        "--platform-manufacturer Vouchgate\n--platform-version 1\n"
        "--platform-model software-device\n",
    )
    config = ca / "swtpm_setup.conf"
    _write(
        config,
        f"create_certs_tool={shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config={ca_config}\ncreate_certs_tool_options={options}\n"
        "active_pcr_banks = sha256\n",
    )
    return config


def _write(path: Path, text: str) -> None:
    """Replace at once: another TPM may be made from the same CA at this moment."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.write_text(text)
    os.replace(fresh, path)
