"""``vouchgate to0``: where an owner's devices are registered, and where not."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from onboarding.cli.answers import every_page
from onboarding.cli.api import connected
from onboarding.cli.options import Ca, Device, KeyFile, Limit, Url
from onboarding.cli.output import Json, console, plain, print_json, print_table, when

app = typer.Typer(
    no_args_is_help=True,
    help="Where an owner's devices are registered, and where they are not.",
)


@app.command("list")
def list_(
    url: Url,
    failing: Annotated[
        bool, typer.Option("--failing", help="Only those that some server refused.")
    ] = False,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(help="Where the list before ended.")] = "",
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List devices that are announced, or are about to be."""
    path = f"to0?limit={limit}&failing={str(failing).lower()}"
    path += f"&cursor={quote(after, safe='')}" if after else ""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", path)
    if json:
        return print_json(found)
    rows = [
        (one["guid"], one["state"], when(one["due"]), one["error"] or "")
        for one in found["items"]
    ]
    print_table(("GUID", "state", "next", "error"), rows)
    backlog = found["backlog"]
    console().print(
        f"in all: {backlog['planned']}, {backlog['due']} of them due now,"
        f" {backlog['failing']} failing"
    )
    if found["next"] is not None:
        console().print(f"more: --after {plain(found['next'])}")


@app.command()
def show(
    device: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show what each rendezvous server of a device said, and until when it knows it."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"to0/{quote(device, safe='')}")
    if json:
        return print_json(found)
    names = ("server", "live", "granted", "until", "tried", "next", "circuit", "error")
    print_table(names, [_cells(one) for one in found["servers"]])


@app.command()
def retry(
    device: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Register a device at all its servers as soon as may be."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("POST", f"to0/{quote(device, safe='')}")
    if json:
        return print_json(found)
    console().print(f"{found['guid']} is registered as soon as may be")


@app.command()
def servers(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List rendezvous servers, and whether they are tried or left alone just now."""
    with connected(url, api_key_file, ca) as api:
        items = list(every_page(api, "rendezvous-servers"))
    if json:
        return print_json({"items": items})
    names = ("server", "circuit", "failures", "until", "answered", "last error")
    rows = [
        (
            one["server"],
            one["circuit"],
            one["failures"],
            when(one["open_until"]),
            when(one["answered_at"]),
            one["error"] or "",
        )
        for one in items
    ]
    print_table(names, rows)


@app.command()
def reset(
    server: Annotated[str, typer.Argument(help="Its address, as servers lists it.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Try a rendezvous server again that is left alone."""
    with connected(url, api_key_file, ca) as api:
        body = {"server": server}
        found: Any = api.json("POST", "rendezvous-servers/reset", body)
    if json:
        return print_json(found)
    console().print(f"{plain(server)} is tried again")


def _cells(one: dict[str, Any]) -> tuple[object, ...]:
    return (
        one["server"],
        "yes" if one["live"] else "no",
        one["granted"] or "",
        when(one["until"]),
        when(one["at"]),
        when(one["due"]),
        one["circuit"],
        one["error"],
    )
