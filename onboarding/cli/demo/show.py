"""The whole demonstration, from curtain up to curtain down."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from attestation.errors import AttestationError
from hw.errors import HwError
from hw.swtpm import missing_programs
from onboarding.cli.demo import (
    act_attestation,
    act_factory,
    act_onboarding,
    act_refusals,
    act_release,
    act_setup,
    act_supply_chain,
)
from onboarding.cli.demo.stage import (
    Stage,
    interrupts_end_it,
    undisturbed,
    wait_for_ctrl_c,
)
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.cli.files import write_file
from onboarding.cli.output import FAILED, OK, CliError, unusable

REFUSALS = {"a", "b", "c", "d"}
LOG_LINES = 8
TITLE = "From factory to attested workload, and back"
PROLOGUE = (
    "Real services, the real Keylime and software TPMs, all on this machine's loopback."
    " A board and a server are made, sold, onboarded, attested and given their"
    " workload; then everything that must be refused is tried. Times: since the start,"
    " and of each step."
)


def run_demo(directory: Path | None, result: Path | None, *, keep: bool) -> int:
    """Play everything; return 0 only if every step and every refusal happened.

    Args:
        directory: Must be empty or not there; None takes a temporary one.
        result: Where the result goes as JSON.
        keep: Leave everything running at the end, until Ctrl-C.
    """
    _require_programs()
    console = Console(file=sys.stdout, highlight=False)
    timeline = Timeline(console)
    console.print(f"[bold]{TITLE}[/]")
    console.print(PROLOGUE, style="dim")
    ok = False
    with interrupts_end_it(), _home(directory) as home:
        stage = Stage(home)
        try:
            ok = _play(stage, timeline)
            _sum_up(timeline, ok=ok)
            if keep:
                _keep(stage, console)
        finally:
            with undisturbed():
                stage.close()
            if result is not None:
                text = json.dumps(timeline.to_json(ok=ok), indent=2) + "\n"
                write_file(result, text.encode())
    return OK if ok else FAILED


def _play(stage: Stage, timeline: Timeline) -> bool:
    try:
        act_setup.play(stage, timeline)
        act_factory.play(stage, timeline)
        shipment = act_supply_chain.play(stage, timeline)
        act_onboarding.play(stage, timeline)
        act_attestation.play(stage, timeline)
        act_release.play(stage, timeline)
        act_refusals.play(stage, timeline, shipment)
    except (StepFailed, AttestationError, HwError) as error:
        _explain(stage, timeline.console, error)
        return False
    return complete(timeline)


def complete(timeline: Timeline) -> bool:
    """Whether every step and every refusal happened."""
    refused = {entry.case for entry in timeline.refusals}
    return refused == REFUSALS and all(
        entry.ok for entry in (*timeline.steps, *timeline.refusals)
    )


def _explain(stage: Stage, console: Console, error: Exception) -> None:
    """Say what failed, with the end of each service's log."""
    console.print(f"\n[bold red]The demonstration stops here:[/] {escape(str(error))}")
    for role, tail in stage.log_tails().items():
        if tail:
            console.print(f"\n[bold]{role} service, end of its log[/]")
            last = "\n".join(tail.splitlines()[-LOG_LINES:])
            console.print(escape(last), style="dim", soft_wrap=True)


def _sum_up(timeline: Timeline, *, ok: bool) -> None:
    steps = sum(entry.ok for entry in timeline.steps)
    refused = sum(entry.ok for entry in timeline.refusals)
    word = "[bold green]All of it happened[/]" if ok else "[bold red]Not all of it[/]"
    timeline.console.print(
        f"\n{word}: {steps} steps and {refused} refusals in {timeline.elapsed:.1f} s"
    )
    for entry in sorted(timeline.refusals, key=lambda one: one.case):
        if entry.ok:
            timeline.console.print(f"  [yellow]{entry.case}[/]  {escape(entry.name)}")


def _keep(stage: Stage, console: Console) -> None:
    """Leave everything running, and free the TPMs for whoever wants to look."""
    console.print("\n[bold]Everything keeps running until Ctrl-C.[/]")
    rows = [
        (one.role, one.url, f"API keys in {one.directory}") for one in stage.services
    ]
    known = stage.keylime.client_settings()
    rows.append(("verifier", known.verifier_url, "Keylime, mTLS"))
    rows.append(("registrar", known.registrar_url, "Keylime, mTLS"))
    for device in stage.devices:
        device.machine.close()
        command = f"vouchgate device status --directory {device.directory}"
        rows.append((device.name, command, ""))
    for name, what, note in rows:
        console.print(f"  {name:<14} {what}  [dim]{note}[/]", soft_wrap=True)
    wait_for_ctrl_c()


def _require_programs() -> None:
    missing = missing_programs()
    if missing:
        raise CliError(
            f"not installed: {', '.join(missing)}",
            "`make demo` installs what is missing; on Debian: apt-get install swtpm"
            " swtpm-tools gnutls-bin.",
        )


@contextmanager
def _home(directory: Path | None) -> Iterator[Path]:
    if directory is None:
        made = Path(tempfile.mkdtemp(prefix="vouchgate-demo-"))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise unusable(f"{directory} is not empty", "Name a new directory.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield directory.resolve()
