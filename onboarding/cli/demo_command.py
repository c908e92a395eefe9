"""``vouchgate demo``: the whole way, from factory to attested workload, and back."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    json: Annotated[
        Path | None,
        typer.Option(help="Write the result there as JSON.", metavar="FILE"),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(help="Keep keys, databases and logs there; else a temporary one."),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave everything running; Ctrl-C ends it."),
    ] = False,
) -> int:
    """Run two devices from factory to attested workload, and show every refusal.

    Real services, real Keylime, real (software) TPMs, all on this machine's loopback.

    Exits 0 only if every step and every refusal happened.
    """
    from onboarding.cli.demo.show import run_demo

    return run_demo(directory, json, keep=keep)
