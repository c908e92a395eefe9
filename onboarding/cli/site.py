"""``vouchgate site``: what a service tells devices, and whom it trusts."""

import json as json_text
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.answers import object_of
from onboarding.cli.api import connected
from onboarding.cli.files import read_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    Json,
    console,
    print_facts,
    print_json,
    unusable,
)

app = typer.Typer(no_args_is_help=True, help="What a service says, and whom it trusts.")

MAX_FILE = 1024 * 1024


class What(StrEnum):
    """Each is one document of the API, under this name."""

    RVINFO = "rvinfo"
    TO2_ADDRESS = "to2-address"
    TRUST = "trust"


Which = Annotated[
    What,
    typer.Argument(
        help="rvinfo: where devices look for their owner; to2-address: where the owner"
        " is; trust: whose vouchers and devices a service takes."
    ),
]


@app.command()
def show(
    what: Which,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print it; with --json as ``set`` takes it."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", what.value))
    print_json(found) if json else print_facts(found)


@app.command("set")
def set_(
    what: Which,
    file: Annotated[Path, typer.Argument(help="JSON, as the API has it.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Replace it by what a file says."""
    body = _read(file)
    with connected(url, api_key_file, ca) as api:
        done = object_of(api.json("PUT", what.value, body))
    if json:
        return print_json(done)
    console().print(f"{what.value} is set")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json_text.loads(read_file(path, MAX_FILE))
    except ValueError as error:
        raise unusable(f"{path}: {error}", "It is to be JSON.") from error
    if not isinstance(found, dict):
        raise unusable(f"{path} has no object in it", "See docs/reference/api.md.")
    # What only answers have: so what ``show --json`` printed can be set again.
    found.pop("cbor_hex", None)
    return found
