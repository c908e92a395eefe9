"""``vouchgate device``: make a device, onboard it, let it answer and work.

A device has little memory: of its commands only the one that is called is imported.
"""

from collections.abc import Sequence
from importlib import import_module

import typer

COMMANDS = {
    "why": "onboarding.cli.why",
    "credential": "onboarding.cli.device_credential",
    "inventory": "onboarding.cli.device_inventory",
    "log": "onboarding.cli.device_log",
    "di": "onboarding.cli.device_di",
    "onboard": "onboarding.cli.device_onboard",
    "attest": "onboarding.cli.device_run",
    "run": "onboarding.cli.device_run",
    "status": "onboarding.cli.device_status",
}


def group(arguments: Sequence[str]) -> typer.Typer:
    """Return the device's commands: the one that ``arguments`` call, or all of them."""
    app = typer.Typer(no_args_is_help=True, help="The device's own side, and why not.")
    called = arguments[0] if arguments else ""
    for name in [called] if called in COMMANDS else COMMANDS:
        app.command(name)(getattr(import_module(COMMANDS[name]), name))
    return app
