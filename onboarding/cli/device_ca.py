"""``vouchgate device-ca``: a manufacturing service's device CAs, from elsewhere."""

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from onboarding.cli.answers import object_of
from onboarding.cli.api import connected
from onboarding.cli.files import read_file, write_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import Json, console, plain, print_json

app = typer.Typer(no_args_is_help=True, help="A service's device CAs.")

MAX_CHAIN = 64 * 1024
Name = Annotated[str, typer.Argument(help="The device CA's.")]


@app.command()
def show(
    url: Url,
    out: Annotated[Path | None, typer.Option(help="Write it there instead.")] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print what each device's chain ends in, PEM: what others are to trust."""
    with connected(url, api_key_file, ca) as api:
        pem = api.request("GET", "device-ca").body.decode("ascii", "replace")
    if out is not None:
        write_file(out, pem.encode())
    if json:
        return print_json({"pem": pem})
    if out is None:
        sys.stdout.write(pem)
        return
    console().print(f"written to {plain(out)}")


@app.command()
def request(
    name: Name,
    url: Url,
    out: Annotated[Path, typer.Option(help="Where the request goes, PEM.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Fetch a certificate request for a device CA, for an authority above it."""
    with connected(url, api_key_file, ca) as api:
        made = api.request("GET", f"device-ca/{quote(name, safe='')}/request").body
    write_file(out, made)
    if json:
        return print_json({"file": str(out), "name": name})
    console().print(f"request for {plain(name)} written to {plain(out)}")


@app.command()
def chain(
    name: Name,
    file: Annotated[
        Path, typer.Argument(help="PEM: its own certificate, then each one's issuer.")
    ],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Give a device CA the certificates that the authority above issued."""
    body = {"chain_pem": read_file(file, MAX_CHAIN).decode("ascii", "replace")}
    with connected(url, api_key_file, ca) as api:
        path = f"device-ca/{quote(name, safe='')}/chain"
        done = object_of(api.json("PUT", path, body))
    if json:
        return print_json(done)
    console().print(f"{plain(name)} has another chain now")
