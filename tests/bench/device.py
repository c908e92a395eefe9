"""``python -m tests.bench.device``: what a device waits for, and what its agent takes.

From TO2's last message to the first appraisal that passed, and to the workload applied:
in one process, on loopback, with a software TPM whose own processor time is told apart.
Then each sub-command as a process of its own, with its largest resident size.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console

from onboarding.cli.demo import act_factory, act_onboarding, act_setup, act_supply_chain
from onboarding.cli.demo.act_setup import policy_of
from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage
from onboarding.cli.demo.timeline import Timeline
from onboarding.cli.demo.workloads import MANIFEST
from onboarding.device.onboard import Onboarder
from onboarding.device.workload import Change
from onboarding.services.key_store import KeyKind
from onboarding.store.apikeys import Role
from tests.bench.machine import machine, verify_us
from tests.support.boot_logs import recorded_log

ROUNDS = 3
PEM = "application/x-pem-file"
NAMES = ("to2", "pass", "release", "to_pass", "to_release")


def main() -> int:
    """Measure, print and write ``device`` into ``build/bench.json``."""
    options = _options()
    result = measure(options.rounds)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, "device": result}, indent=2)
    options.output.write_text(text + "\n")
    print(show(result))
    print(f"written to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.device", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="whole set-ups")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    return parser.parse_args()


def measure(rounds: int) -> dict[str, object]:
    """Return what `show` prints."""
    found: list[Mapping[str, float]] = []
    sizes: dict[str, float] = {}
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
            stage = Stage(Path(name))
            try:
                found.append(_first_pass(stage))
                if number == rounds - 1:
                    sizes = _sub_commands(stage)
            finally:
                stage.close()
    return {
        **{name: round(median(one[name] for one in found), 3) for name in found[0]},
        "rounds": rounds,
        "rss_mib": sizes,
        "machine": machine(),
        "p256_verify_us": verify_us(),
    }


def _first_pass(stage: Stage) -> dict[str, float]:
    """Seconds of TO2, and from there to the first pass and release; and swtpm's."""
    quiet = Timeline(Console(file=io.StringIO()))
    act_setup.play(stage, quiet)
    act_factory.play(stage, quiet)
    act_supply_chain.play(stage, quiet)
    board = stage.board
    register(stage, board, str(board.guid))
    result = {}
    chip = int((board.chip.state / "swtpm.pid").read_text())
    steps: dict[str, Callable[[], object]] = {
        "to2": lambda: Onboarder(board.machine, stage.client).run(),
        "pass": lambda: _pass(stage, board),
        "release": lambda: _release(stage, board),
    }
    for name, step in steps.items():
        begun, spent = time.perf_counter(), _processor_seconds(chip)
        step()
        result[name] = time.perf_counter() - begun
        result[f"{name}_tpm"] = _processor_seconds(chip) - spent
    for name, parts in (("to_pass", ("pass",)), ("to_release", ("pass", "release"))):
        result[name] = sum(result[part] for part in parts)
        result[f"{name}_tpm"] = sum(result[f"{part}_tpm"] for part in parts)
    return result


def _processor_seconds(pid: int) -> float:
    """Of a process's first thread, which is all that swtpm has; to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _pass(stage: Stage, board: Device) -> None:
    verdict = board.agent(stage.client).attest().verdict
    if verdict is None or not verdict.passed:
        raise SystemExit(f"bench: it did not pass: {verdict}")


def _release(stage: Stage, board: Device) -> None:
    if board.agent(stage.client).sync().change is not Change.APPLIED:
        raise SystemExit("bench: the workload was not applied")


def register(stage: Stage, board: Device, guid: str) -> None:
    """Assign policy and workload; wait until the rendezvous knows the device."""
    operator = stage.api(stage.owner, Role.OPERATOR)
    policy = {"policy": policy_of(board.profile), "version": None}
    operator.json("PUT", f"devices/{guid}/policy", policy)
    assigned = {"manifest": MANIFEST, "version": 1}
    operator.json("PUT", f"devices/{guid}/assignment", assigned)
    operator.json("POST", f"to0/{guid}")
    deadline = time.monotonic() + act_onboarding.PATIENCE
    while time.monotonic() < deadline:
        found = operator.json("GET", f"devices/{guid}")
        if isinstance(found, dict) and found["state"] == "registered":
            return
        time.sleep(act_onboarding.POLL)
    raise SystemExit("bench: the device was not registered in time")


def _sub_commands(stage: Stage) -> dict[str, float]:
    """A second board goes the same way by the command line; MiB of each command."""
    board = stage.impostor
    tcti = board.machine.config.tcti
    board.machine.close()  # one client at a time
    directory = board.directory / "cli"
    state = ["--directory", str(directory)]
    made = ["di", "--url", stage.manufacturing.url, "--serial", "SBC-0002"]
    made += ["--board", board.board, "--tcti", str(tcti), "--model", "bench", *state]
    found = {"di": _command(made)}
    status = _json([*_CLI, "status", "--json", *state])
    guid = str(status["guid"])
    maker = stage.api(stage.manufacturing, Role.MANUFACTURER)
    buyer = stage.owner.key(KeyKind.OWNER)
    maker.json("POST", f"vouchers/{guid}/extend", {"next_owner_pem": buyer.public_pem})
    sold = maker.request("GET", f"vouchers/{guid}/pem").body
    stage.api(stage.owner, Role.OPERATOR).request("POST", "vouchers", sold, PEM)
    register(stage, board, guid)
    found["onboard"] = _command(["onboard", *state])
    found["attest"] = _command(["attest", *state])
    found["run"] = _command(["run", "--rounds", "2", "--interval", "1", *state])
    found["status"] = _command(["status", *state])
    found["inventory"] = _command(["inventory", "--tcti", str(tcti)])
    found["credential"] = _command(["credential", "--tcti", str(tcti)], (0, 1))
    log = board.directory / "log"  # of another boot, so it does not agree
    log.write_bytes(recorded_log("secure-boot"))
    shown = ["log", "--tcti", str(tcti), "--uefi", str(log)]
    found["log"] = _command(shown, (1,))
    return found


_CLI = (sys.executable, "-m", "onboarding.cli", "device")


def _json(command: Sequence[str]) -> Mapping[str, object]:
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def _command(arguments: Sequence[str], allowed: Sequence[int] = (0,)) -> float:
    """Run one sub-command to its end; return its largest resident size in MiB."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            [*_CLI, *arguments], stdout=said, stderr=said
        )
        largest = 0.0
        while process.poll() is None:
            # Not wait4's: that counts in what we were before the program was loaded.
            largest = max(largest, _largest_mib(process.pid))
            time.sleep(0.005)
        if process.returncode not in allowed:
            said.seek(0)
            raise SystemExit(f"bench: {arguments[0]}: {said.read()[-2000:].decode()}")
    return largest


def _largest_mib(pid: int) -> float:
    """The most that a running process had resident; 0 when it is just ending."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return max((round(int(line.split()[1]) / 1024, 1) for line in lines), default=0.0)


def show(result: Mapping[str, object]) -> str:
    """Return the figures as lines."""
    lines = [f"{result['machine']}; a P-256 check takes {result['p256_verify_us']} us"]
    lines += [
        f"{name}: {result[name]} s, of which the TPM {result[f'{name}_tpm']} s"
        for name in NAMES
    ]
    sizes = result["rss_mib"]
    assert isinstance(sizes, dict)
    lines.append("MiB: " + ", ".join(f"{name} {mib}" for name, mib in sizes.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
