"""The command line: which commands there are, and how each way of failing ends."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from attestation.errors import AttestationError, Refused
from hw.errors import HwError
from onboarding.cli.called import needed, words_behind
from onboarding.cli.credentials import alone, naming
from onboarding.cli.output import (
    FAILED,
    INTERRUPTED,
    OK,
    UNUSABLE,
    CliError,
    print_error,
)
from onboarding.cli.profiles import CHOSEN, variables_of
from onboarding.device.errors import DeviceError, Problem
from onboarding.protocol.errors import ProtocolError
from onboarding.services.errors import ServicesError, SettingsError
from onboarding.store.errors import StoreError
from ownership_vouchers.errors import VoucherError

DEBUG_VARIABLE = "VOUCHGATE_DEBUG"
OURS = (
    AttestationError,
    DeviceError,
    HwError,
    ProtocolError,
    ServicesError,
    StoreError,
    VoucherError,
)
NAME = "vouchgate"
HELP = "From factory to attested workload: ownership, attestation, gated release."

# Imported when called for: reading a voucher should not wait for a web server to load.
COMMANDS = {
    "demo": "onboarding.cli.demo_command",
    "serve": "onboarding.cli.serve",
    "voucher": "onboarding.cli.voucher",
    "device": "onboarding.cli.device",
    "service-info": "onboarding.cli.service_info",
    "keys": "onboarding.cli.keys",
    "apikey": "onboarding.cli.apikey",
    "doctor": "onboarding.cli.doctor_command",
    "rendezvous": "onboarding.cli.rendezvous",
    "to0": "onboarding.cli.to0",
    "trace": "onboarding.cli.trace",
    "line": "onboarding.cli.line",
    "made": "onboarding.cli.made",
    "device-key": "onboarding.cli.device_key",
    "device-ca": "onboarding.cli.device_ca",
    "policy": "onboarding.cli.policy",
    "cohort": "onboarding.cli.cohort",
    "attestation": "onboarding.cli.attestation",
    "ek": "onboarding.cli.ek",
    "webhook": "onboarding.cli.webhook",
    "fleet": "onboarding.cli.fleet",
    "manifest": "onboarding.cli.manifest",
    "site": "onboarding.cli.site",
    "api": "onboarding.cli.raw",
    "audit": "onboarding.cli.audit",
    "backup": "onboarding.cli.backup",
    "restore": "onboarding.cli.backup",
    "database": "onboarding.cli.database",
    "manual": "onboarding.cli.manual",
}


def command_line(arguments: Sequence[str]) -> typer.Typer:
    """Return the commands: the one that is called, or all of them."""
    app = typer.Typer(
        name=NAME,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback(help=HELP)(_common)  # keeps a lone command from losing its name
    # None there is Python's way to say that a module is not to be had: httpx does
    # without its own command line then, and devices and servers without 3 MiB of it.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    names, behind = needed(arguments, COMMANDS)
    for name in names:
        module = import_module(COMMANDS[name])
        if hasattr(module, "group"):  # it imports its own commands as they are called
            app.add_typer(module.group(behind), name=name)
        elif hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("vouchgate")
    except PackageNotFoundError:
        number = "not installed: run from its source"
    sys.stdout.write(f"vouchgate {number}\n")
    raise typer.Exit


def _common(
    ctx: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            envvar="VOUCHGATE_PROFILE",
            help="Which service of profiles.toml to talk to.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with an identity provider's token, in place of an API key;"
            " or VOUCHGATE_TOKEN_FILE."
        ),
    ] = None,
    client_certificate: Annotated[
        Path | None,
        typer.Option(
            help="Certificate (PEM) to show to HTTPS servers, in place of an API key;"
            " or VOUCHGATE_CLIENT_CERTIFICATE."
        ),
    ] = None,
    client_key: Annotated[
        Path | None,
        typer.Option(help="Its key, if in a file of its own; or VOUCHGATE_CLIENT_KEY."),
    ] = None,
    client_key_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            help="What opens that key; or VOUCHGATE_CLIENT_KEY_PASSPHRASE_FILE."
        ),
    ] = None,
) -> None:
    """Options that stand before any command."""
    if profile is not None:
        _use(ctx, alone({**variables_of(profile), CHOSEN: profile}))
    given = naming(
        token_file=token_file,
        client_certificate=client_certificate,
        client_key=client_key,
        client_key_passphrase_file=client_key_passphrase_file,
    )
    _use(ctx, given)


def _use(ctx: typer.Context, variables: Mapping[str, str | None]) -> None:
    """Set variables, or take them away, for as long as the command runs."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    ctx.call_on_close(lambda: _set(before))


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code. Nothing is raised."""
    # The demonstration's --json names a file: what it says is for people.
    as_json = "--json" in arguments and words_behind(arguments)[:1] != ["demo"]
    try:
        app = command_line(arguments)
        return _finish(app(list(arguments), prog_name=NAME, standalone_mode=False))
    except typer.Exit as ending:
        return _ended(int(ending.exit_code), as_json=as_json)
    except typer.TyperException as error:
        if error.format_message():  # empty when the help has just been printed
            print_error(error.format_message(), "See --help.", as_json=as_json)
        return UNUSABLE
    except (KeyboardInterrupt, typer.Abort):
        return _ended(INTERRUPTED, as_json=as_json)
    except CliError as error:
        print_error(str(error), error.remedy, as_json=as_json)
        return error.code
    except OURS as error:
        print_error(*_sentences(error), as_json=as_json)
        return UNUSABLE if isinstance(error, SettingsError) else FAILED
    except Exception as error:  # noqa: BLE001 - no traceback ever reaches a user
        return _unexpected(error, as_json=as_json)


def _ended(code: int, *, as_json: bool) -> int:
    """Whoever stopped a command is told so; Typer tells of Ctrl-C by its exit code."""
    if code == INTERRUPTED:
        print_error("stopped", "", as_json=as_json)
    return code


def _sentences(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do about it where the error says so."""
    match error:
        case Refused():
            return error.sentence, error.remedy
        case Problem():
            return error.detail, error.remedy
        case _:
            return str(error), ""


def _finish(result: object) -> int:
    return result if isinstance(result, int) else OK


def _unexpected(error: Exception, *, as_json: bool) -> int:
    """A fault of ours, or of the machine; the traceback is for who asks for it."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error, file=sys.stderr)
    detail = str(error).splitlines()[0] if str(error) else "no detail"
    print_error(
        f"{type(error).__name__}: {detail}",
        f"If this is not the machine's fault (full disk, no permission), report it;"
        f" {DEBUG_VARIABLE}=1 shows where it happened.",
        as_json=as_json,
    )
    return FAILED
