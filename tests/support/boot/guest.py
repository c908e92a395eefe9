"""A machine in QEMU: UEFI firmware with Secure Boot, a TPM, two serial lines.

There is no need of KVM: everything runs in QEMU's own translation, and takes its time.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hw.swtpm import SoftwareTpm
from tests.support.boot.parts import Parts, tool

READY = "READY"
END_OF_FILE = b"\x04"
HOST = "10.0.2.2"  # by which the guest knows this machine's loopback
_PATIENCE = 900.0  # seconds; only a guest that hangs takes that long


class GuestFailed(Exception):
    """The guest did not do what it was told; says what it wrote last."""


@dataclass
class Console:
    """What a running guest is told, and what it answers."""

    line: socket.socket
    log: Path  # of the kernel, and of Python's own complaints
    _rest: bytes = b""

    def next_line(self) -> str:
        while b"\n" not in self._rest:
            try:
                chunk = self.line.recv(4096)
            except TimeoutError:
                chunk = b""
            if not chunk:
                raise GuestFailed(f"{self._rest!r}; {self.log.read_text()[-2000:]}")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def vouchgate(self, *words: str) -> tuple[int, str]:
        """Run a command of ``vouchgate`` in the guest: exit code, and all it says."""
        self.line.sendall(json.dumps(words).encode() + b"\n")
        code, said = json.loads(self.next_line())
        return code, said


@dataclass(frozen=True)
class Guest:
    """A machine that can be switched on again and again."""

    parts: Parts
    directory: Path  # a short path: sockets are in it
    tpm: SoftwareTpm  # made, and not running
    boot_disk: Path
    root_disk: Path

    def __post_init__(self) -> None:
        shutil.copyfile(self.parts.variables, self.directory / "variables.fd")

    @contextmanager
    def switched_on(self) -> Iterator[Console]:
        """Boot, until the shell answers; at the end, shut down in order."""
        log = self.directory / "console.log"
        with ExitStack() as stack:
            tpm_socket = self.directory / "tpm"
            stack.enter_context(_process(self._swtpm(tpm_socket), log))
            _appears(tpm_socket)
            machine = stack.enter_context(_process(self._qemu(tpm_socket), log))
            line = stack.enter_context(_connected(self.directory / "line"))
            console = Console(line, self.directory / "serial.log")
            while not console.next_line().endswith(READY):
                pass  # firmware and boot loader speak on every line they find
            yield console
            line.sendall(END_OF_FILE)
            machine.wait(_PATIENCE)

    def _swtpm(self, control: Path) -> list[str]:
        control.unlink(missing_ok=True)
        return [
            *(tool("swtpm"), "socket", "--tpm2", "--terminate"),
            *("--tpmstate", f"dir={self.tpm.state}"),
            *("--ctrl", f"type=unixio,path={control}"),
        ]

    def _qemu(self, control: Path) -> list[str]:
        here = self.directory
        (here / "line").unlink(missing_ok=True)
        return [
            *("qemu-system-x86_64", "-machine", "q35,smm=on,accel=tcg", "-cpu", "max"),
            *("-m", "1024", "-smp", "1", "-nodefaults", "-display", "none"),
            "-no-reboot",
            *("-serial", f"file:{here / 'serial.log'}"),
            *("-serial", f"unix:{here / 'line'},server=on,wait=on"),
            *("-global", "driver=cfi.pflash01,property=secure,value=on"),
            *("-drive", f"if=pflash,format=raw,readonly=on,file={self.parts.firmware}"),
            *("-drive", f"if=pflash,format=raw,file={here / 'variables.fd'}"),
            *("-chardev", f"socket,id=tpm,path={control}"),
            *("-tpmdev", "emulator,id=chip,chardev=tpm"),
            *("-device", "tpm-crb,tpmdev=chip"),
            *_disk("boot", self.boot_disk, ",bootindex=1"),
            *_disk("root", self.root_disk),
            *("-netdev", "user,id=net,restrict=off"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
        ]


def _disk(name: str, path: Path, more: str = "") -> Sequence[str]:
    drive = f"if=none,id={name},format=raw,file={path}"
    return "-drive", drive, "-device", f"virtio-blk-pci,drive={name}{more}"


@contextmanager
def _process(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that ends with the block, and with us."""
    guarded = ["setpriv", "--pdeathsig", "KILL", *command]
    with log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603 - our own words and paths
            guarded, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _appears(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline:
            raise GuestFailed(f"there is no {path}")
        time.sleep(0.02)


def _connected(path: Path) -> socket.socket:
    _appears(path)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(_PATIENCE)
    line.connect(str(path))
    return line
