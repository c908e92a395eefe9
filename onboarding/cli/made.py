"""``vouchgate made``: what the factory made, and alarms over serial numbers."""

import time
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from onboarding.cli.api import connected
from onboarding.cli.options import Ca, KeyFile, Limit, Url
from onboarding.cli.output import Json, console, plain, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="What a factory made.")


@app.command("list")
def list_(
    url: Url,
    serial: Annotated[str | None, typer.Option(help="Only this serial number.")] = None,
    line: Annotated[str | None, typer.Option(help="Only this line.")] = None,
    alarms: Annotated[
        bool, typer.Option("--alarms", help="Only what needs a look.")
    ] = False,
    limit: Limit = 20,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the newest devices that were made, and what is wrong with them."""
    asked = {"limit": limit, "serial": serial, "line": line}
    query = {name: value for name, value in asked.items() if value is not None}
    if alarms:
        query["alarms"] = "true"
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"made?{urlencode(query)}")
    if json:
        return print_json(found)
    headings = ("made", "serial", "line", "station", "note", "GUID")
    print_table(headings, [_row(one) for one in found["items"]])


@app.command()
def settle(
    serial: Annotated[str, typer.Argument(help="The serial number.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say that all devices made so far under a serial number are as they should be."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("POST", "made/settle", {"serial": serial})
    if json:
        return print_json(found)
    console().print(f"settled {found['settled']} devices of {plain(serial)}")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    note = one["alarm"] or ""
    if one["settled_at"] is not None:
        note = "settled"
    if one["superseded_by"] is not None:
        note = "made anew"
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one["made_at"]))
    return made, one["serial"], one["line"], one["station"] or "", note, one["guid"]
