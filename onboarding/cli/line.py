"""``vouchgate line``: production lines, and the stations that speak for them."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from onboarding.cli.answers import whole_list
from onboarding.cli.api import connected
from onboarding.cli.files import read_json, write_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
)

app = typer.Typer(no_args_is_help=True, help="A factory's production lines.")

MAX_LINE = 64 * 1024
Name = Annotated[str, typer.Argument(help="The line's name.")]


@app.command("set")
def set_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The line's settings, JSON.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Set a line up, or change it, for devices made from now on."""
    settings = read_json(file, MAX_LINE)
    with connected(url, api_key_file, ca) as api:
        stored: Any = api.json("PUT", f"lines/{quote(name, safe='')}", settings)
    print_json(stored) if json else print_facts(stored)


@app.command("list")
def list_(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List the lines that were set up."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "lines")
    if json:
        return print_json(found)
    headings = ("name", "version", "station's key", "same serial", "device CA")
    print_table(headings, [_row(one) for one in found["items"]])


@app.command()
def show(
    name: Name,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print a line's settings and its stations."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"lines/{quote(name, safe='')}")
    print_json(found) if json else print_facts(found)


@app.command()
def remove(
    name: Name,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Take a line away and dismiss its stations."""
    with connected(url, api_key_file, ca) as api:
        api.request("DELETE", f"lines/{quote(name, safe='')}")
    if json:
        return print_json({"removed": name})
    console().print(f"removed line {plain(name)}")


@app.command()
def hire(
    name: Name,
    station: Annotated[str, typer.Argument(help="What the audit log calls it.")],
    out: Annotated[Path, typer.Option(help="Where its key goes; it is kept nowhere.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Give a station a key of its own for a line."""
    with connected(url, api_key_file, ca) as api:
        where = f"lines/{quote(name, safe='')}/stations"
        made: Any = api.json("POST", where, {"name": station})
    write_file(out, f"{made.pop('key')}\n".encode(), mode=0o600)
    if json:
        return print_json(made)
    console().print(f"station {plain(station)} of line {plain(name)}: {made['id']}")
    console().print(str(out), markup=False)


@app.command()
def dismiss(
    name: Name,
    station: Annotated[str, typer.Argument(help="Its id, as `line show` has it.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Refuse a station's key from now on."""
    where = f"lines/{quote(name, safe='')}/stations/{quote(station, safe='')}"
    with connected(url, api_key_file, ca) as api:
        api.request("DELETE", where)
    if json:
        return print_json({"dismissed": station})
    console().print(f"dismissed {plain(station)}")


def _row(line: dict[str, Any]) -> tuple[object, ...]:
    wanted = "wanted" if line["require_key"] else "not asked for"
    ca = line["device_ca"] or "any"
    return line["name"], line["version"], wanted, line["same_serial"], ca
