"""``vouchgate trace``: what a service remembers of runs."""

import time
from typing import Annotated, Any

import typer

from onboarding.cli.api import connected
from onboarding.cli.options import Ca, KeyFile, Limit, Url
from onboarding.cli.output import Json, console, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="What a service remembers of runs.")

DAY = 86400


@app.command("list")
def list_(
    url: Url,
    api_key_file: KeyFile = None,
    limit: Limit = 20,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the newest runs, as far as each came."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"traces?limit={limit}")
    if json:
        return print_json(found)
    headings = ("run", "device", "messages", "passed", "refused", "error")
    print_table(headings, [_row(run) for run in found["items"]])


@app.command()
def unknown(
    url: Url,
    api_key_file: KeyFile = None,
    limit: Limit = 20,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List GUIDs that devices asked for and nothing is known of."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"sightings?limit={limit}")
    if json:
        return print_json(found)
    names = ("guid", "message", "count", "first_at", "last_at")
    rows = [[one[name] for name in names] for one in found["items"]]
    print_table(("GUID", "message", "times", "first", "last"), rows)


@app.command()
def prune(
    url: Url,
    older_than: Annotated[int, typer.Option(min=0, help="Days.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Forget what was not heard of for so many days."""
    before = int(time.time()) - older_than * DAY
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("DELETE", f"traces?before={before}")
    if json:
        return print_json(found)
    console().print(f"forgotten: {found['forgotten']}")


def _row(run: dict[str, Any]) -> tuple[object, ...]:
    refused = "" if run["refused"] is None else f"{run['refused']} ({run['code']})"
    state = "done" if run["done"] else run["error"] or "open"
    who = run["guid"] or run["serial"] or "unknown"
    return run["protocol"], who, run["messages"], run["passed"] or "", refused, state
