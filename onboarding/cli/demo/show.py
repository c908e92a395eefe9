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
TITLE = "From factory to attested workload, and back"


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
            console.print(escape(tail), style="dim")


def _sum_up(timeline: Timeline, *, ok: bool) -> None:
    steps = sum(entry.ok for entry in timeline.steps)
    refused = sorted({entry.case for entry in timeline.refusals if entry.ok})
    word = "[bold green]All of it happened[/]" if ok else "[bold red]Not all of it[/]"
    timeline.console.print(
        f"\n{word}: {steps} steps, refusals {', '.join(refused) or 'none'},"
        f" {timeline.elapsed:.1f} s"
    )


def _keep(stage: Stage, console: Console) -> None:
    console.print("\n[bold]Everything keeps running.[/] Ctrl-C ends it.")
    for service in stage.services:
        console.print(f"  {service.role:<14} {service.url}   log {service.log}")
    known = stage.keylime.client_settings()
    console.print(f"  {'Keylime':<14} {known.verifier_url} (verifier)")
    console.print(f"  {'':<14} {known.registrar_url} (registrar)")
    for device in stage.devices:
        console.print(f"  {device.name:<14} vouchgate device --directory ...")
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
