"""``python -m tests.systemd``: start, look at, break and stop the units for real.

Needs root, and a systemd to be installed; none has to run. Says each thing that held,
and ends with 1 at the first that did not.
"""

import re
import sys
import time
from collections.abc import Sequence

from onboarding.services.settings import Role
from tests.support.doc_commands import Typed
from tests.support.doc_story import OPERATORS, Part, commands
from tests.systemd.machine import Machine, booted, missing

ROLES = (Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER)
SOURCE = "/opt/vouchgate/source"
BIN = "/opt/vouchgate/.venv/bin"
PROGRAM = f"{BIN}/vouchgate"
STORY = (Part(OPERATORS, "systemd"),)  # of the owner; the others are set up alike
KINDS = {
    Role.MANUFACTURING: ("manufacturer", "device-ca"),
    Role.OWNER: ("owner",),
    Role.RENDEZVOUS: (),
}
MOST_EXPOSED = 1.5  # of 10
STOPS_WITHIN = 20.0  # seconds
_LAUNCH = """#!/opt/vouchgate/.venv/bin/python3
from onboarding.cli import main
main()
"""
_PATHS = "/opt/vouchgate/{}\n"
_ASK = (
    "import sys, urllib.request;"
    "print(urllib.request.urlopen(sys.argv[1], timeout=20).status)"
)


def install(machine: Machine) -> None:
    """The program where the unit expects it: the one that is tested."""
    machine.run(
        f"{sys.base_prefix}/bin/python3",
        "-m",
        "venv",
        "--without-pip",
        "/opt/vouchgate/.venv",
    )
    found = machine.run("sh", "-c", "echo /opt/vouchgate/.venv/lib/*/site-packages")
    places = ("source", "source/ownership-vouchers", "packages")
    machine.write(f"{found}/trial.pth", "".join(map(_PATHS.format, places)), "644")
    machine.write(PROGRAM, _LAUNCH, "755")


def follow(machine: Machine, role: Role, story: Sequence[Typed]) -> None:
    """Type what the guide says of the owner, as it says it of this role."""
    for typed in story:
        own = typed.text.replace("owner", role.value)
        kinds = KINDS[role] if " keys new " in own else ("",)
        for kind in kinds:
            text = own.replace(f"--kind {role.value}", f"--kind {kind}")
            machine.run("bash", "-ec", f"cd {SOURCE}; PATH={BIN}:$PATH; {text}")


def check(machine: Machine, role: Role, port: int) -> None:
    """One unit from its start to its end. Raises AssertionError, RuntimeError."""
    unit = f"vouchgate@{role}.service"
    machine.run("mkdir", "-p", f"/var/lib/vouchgate/{role}/keys")  # without a key, too
    machine.write(f"/etc/vouchgate/{role}.env", f"VOUCHGATE_PORT={port}\n")
    try:
        follow(machine, role, commands(STORY))
    except RuntimeError:
        print(machine.run("journalctl", "--no-pager", "-n", "40", "-u", unit))
        raise
    ready = f"http://127.0.0.1:{port}/readyz"
    said(unit, "is ready when it is started", ask(machine, ready) == "200")
    shut_in(machine, role, unit)
    before = machine.shown(unit, "MainPID")
    machine.run("systemctl", "kill", "-s", "KILL", unit)
    said(unit, "comes back when it is killed", back(machine, unit, before))
    begun = time.monotonic()
    machine.run("systemctl", "stop", unit)
    quick = time.monotonic() - begun < STOPS_WITHIN
    result = machine.shown(unit, "Result"), machine.shown(unit, "ActiveState")
    said(unit, "stops in time, and well", quick and result == ("success", "inactive"))


def shut_in(machine: Machine, role: Role, unit: str) -> None:
    """What the kernel says of the running process, and systemd of the unit."""
    pid = machine.shown(unit, "MainPID")
    status = machine.run("cat", f"/proc/{pid}/status")
    kept = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()}
    none = "0" * 16
    held = kept["NoNewPrivs"], kept["Seccomp"], kept["CapEff"], kept["CapBnd"]
    alone = held == (["1"], ["2"], [none], [none])
    said(unit, "has no privilege, and a filter for system calls", alone)
    user = machine.run("ps", "-o", "user:32=", "-p", pid)
    said(unit, "runs as a user of its own", user == f"vouchgate-{role}")
    inside = ("nsenter", "-t", pid, "-m", "--")
    written = machine.run(*inside, "sh", "-c", ": > /etc/x && echo yes", check=False)
    said(unit, "cannot write to the system", written != "yes")
    judged = machine.run("systemd-analyze", "security", "--no-pager", unit)
    (found,) = re.findall(r"exposure level for \S+: ([0-9.]+)", judged)
    score = float(found)
    said(unit, f"is exposed by {score} of 10", score <= MOST_EXPOSED)


def ask(machine: Machine, url: str) -> str:
    return machine.run("python3", "-c", _ASK, url)


def back(machine: Machine, unit: str, before: str) -> bool:
    """Whether another process serves in its place, some time."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state = machine.shown(unit, "ActiveState")
        if state == "active" and machine.shown(unit, "MainPID") not in ("0", before):
            return True
        time.sleep(0.2)
    return False


def said(unit: str, what: str, held: bool) -> None:
    print(f"{'ok ' if held else 'NOT'} {unit} {what}", flush=True)
    if not held:
        raise AssertionError(f"{unit}: not so: {what}")


def main() -> int:
    """Check each role's unit."""
    why = missing()
    if why is not None:
        print(f"no systemd can be run here: {why}")
        return 2
    with booted() as machine:
        print(machine.run("systemctl", "--version").splitlines()[0])
        install(machine)
        for port, role in enumerate(ROLES, start=8081):
            check(machine, role, port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
