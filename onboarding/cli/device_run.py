"""``vouchgate device attest`` and ``run``: answer for what runs, and work."""

import json as json_module
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.api import trust_of
from onboarding.cli.device_choices import STATE, Directory
from onboarding.cli.options import Ca
from onboarding.cli.output import (
    FAILED,
    Json,
    console,
    plain,
    print_facts,
    print_json,
)
from onboarding.device.agent import Agent, Attested
from onboarding.device.applier import DirectoryApplier
from onboarding.device.http import new_client
from onboarding.device.loop import Event
from onboarding.device.loop import run as work
from onboarding.device.machine import Machine


def attest(ca: Ca = None, directory: Directory = STATE, json: Json = False) -> int:
    """Answer for what runs, once: 1 if the verdict is anything but that it passed."""
    with (
        closing(new_client(trust_of(ca))) as client,
        Machine.load(directory) as machine,
    ):
        attested = Agent(machine, client).attest()
    facts = _attested(attested)
    print_json(facts) if json else print_facts(facts)
    return FAILED if attested.verdict and not attested.verdict.passed else 0


def run(
    interval: Annotated[
        float, typer.Option(min=1, help="Seconds between two rounds.")
    ] = 60.0,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many rounds.")
    ] = None,
    apply_to: Annotated[
        Path | None,
        typer.Option(help="Where workloads go; else `workload` in the directory."),
    ] = None,
    lock: Annotated[
        bool,
        typer.Option(
            "--lock", help="Let nobody change the credential until the next boot."
        ),
    ] = False,
    ca: Ca = None,
    directory: Directory = STATE,
    json: Json = False,
) -> None:
    """Attest, fetch, apply and remove as the owner says, until stopped."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with (
        closing(new_client(trust_of(ca))) as client,
        Machine.load(directory) as machine,
    ):
        if lock:
            machine.lock()
        applier = None if apply_to is None else DirectoryApplier(apply_to)
        agent = Agent(machine, client, applier)
        work(agent, interval, stop, Teller(as_json=json), rounds)


def _attested(attested: Attested) -> dict[str, object]:
    facts: dict[str, object] = {
        "channel": attested.channel,
        "pcrs": list(attested.pcrs),
        "verdict": "with the owner",
    }
    if attested.verdict is not None:
        facts["verdict"] = attested.verdict.said
        facts["failures"] = list(attested.verdict.failures)
        facts["lease_expires"] = attested.verdict.lease_expires
    return facts


class Teller:
    """Prints the loop's events as they come, one line each."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, event: Event) -> None:
        if self._as_json:
            remedy = event.remedy or None
            line = {"event": event.name, "detail": event.detail, "remedy": remedy}
            sys.stdout.write(json_module.dumps(line) + "\n")
        else:
            console().print(f"[bold]{event.name:<10}[/] {plain(event.detail)}")
            if event.remedy:
                console().print(f"{'':<10} [dim]{plain(event.remedy)}[/]")
        sys.stdout.flush()
