"""``vouchgate serve``: run a service until it is told to stop."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hw.profiles import profiles
from onboarding.cli.output import CliError, Json, print_json
from onboarding.cli.settings import (
    DatabaseUrl,
    KeyDirectory,
    PassphraseFile,
    load_settings,
)
from onboarding.services import logs
from onboarding.services.environment import odd_names
from onboarding.services.logs import LogFormat
from onboarding.services.server import run
from onboarding.services.settings import Compat, Role

log = logging.getLogger(__name__)


def serve(
    role: Annotated[Role | None, typer.Option(help="Which service.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes any free port.")] = None,
    port_file: Annotated[
        Path | None, typer.Option(help="Write the bound port there when ready.")
    ] = None,
    compat: Annotated[
        Compat | None, typer.Option(help="Serve that server's paths, too.")
    ] = None,
    compat_port: Annotated[
        int | None, typer.Option(help="Their port; 0 takes any free one.")
    ] = None,
    database_url: DatabaseUrl = None,
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    log_level: Annotated[str, typer.Option(help="info, warning, …")] = "info",
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="Text, or a JSON object a line."),
    ] = None,
    json: Json = False,
) -> None:
    """Run a service: manufacturing, rendezvous, owner, or all of them on one port.

    Options go before the environment (VOUCHGATE_…), which has every setting.
    """
    level = _level(log_level)
    profiles()  # so that a board's file that is none ends it now
    settings = load_settings(
        role=role,
        host=host,
        port=port,
        port_file=port_file,
        compat=compat,
        compat_port=compat_port,
        database_url=database_url,
        key_directory=key_directory,
        key_passphrase_file=key_passphrase_file,
        log_format=log_format,
    )
    if json:
        print_json({"role": settings.role.value, "host": settings.host})
        sys.stdout.flush()
    try:
        with logs.written(level, settings.log_format, settings.role.value):
            for sentence in odd_names(os.environ):
                log.warning("%s", sentence)
            run(settings)
    except OSError as error:
        raise CliError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}",
            "Choose another port with --port, or 0 for any that is free; with --compat,"
            " --compat-port as well.",
        ) from error


def _level(name: str) -> int:
    number = logging.getLevelNamesMapping().get(name.upper())
    if number is None:
        raise CliError(f"{name} is no log level", "Try info or warning.", code=2)
    return number
