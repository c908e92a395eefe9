"""A TPM behind the access broker of userland (tpm2-abrmd), by its TCTI string."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.support.swtpm import MakeSoftwareTpm

TABRMD = "tabrmd:bus_type=session"
# In a process of its own: the bus is looked for once in the life of a process.
USE_KEYS = f"""
import time
from hw.errors import TpmUnavailableError
from hw.tpm import Tpm

def connected():
    deadline = time.monotonic() + 120
    while True:
        try:
            return Tpm({TABRMD!r})
        except TpmUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)

with connected() as tpm, Tpm({TABRMD!r}) as beside:
    key, ak = tpm.create_device_key(), tpm.create_attestation_key("ecc")
    assert beside.device_key().public_area == key.public_area
    for _ in range(5):  # more than a TPM has slots for, were they not freed
        tpm.certify(key, ak, key.sign(b"data")[:32])
        beside.create_hmac_key().mac(bytes(3000))
    print("done")
"""


@pytest.fixture
def bus(make_software_tpm: MakeSoftwareTpm) -> Iterator[dict[str, str]]:
    """An environment in which the broker serves a software TPM."""
    programs = ("dbus-daemon", "tpm2-abrmd")
    missing = [one for one in programs if shutil.which(one) is None]
    if find_library("tss2-tcti-tabrmd") is None:
        missing.append("libtss2-tcti-tabrmd0")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: tpm2-abrmd, dbus)")
    tcti = make_software_tpm("behind a broker").start()
    with ExitStack() as stack:
        daemon = _start(
            stack, ["dbus-daemon", "--session", "--nofork", "--print-address"]
        )
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": address}
        broker = ["tpm2-abrmd", "--session", "--allow-root", f"--tcti={tcti}"]
        _start(stack, broker, environment)
        yield environment


def _start(
    stack: ExitStack, command: list[str], environment: dict[str, str] | None = None
) -> "subprocess.Popen[str]":
    process = subprocess.Popen(  # noqa: S603 - the programs above
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    stack.callback(process.__exit__, None, None, None)
    stack.callback(process.kill)
    return process


def test_a_tpm_behind_the_broker_is_used_by_two_at_once(bus: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - the script above
        [sys.executable, "-c", USE_KEYS],
        env=bus,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
