"""``vouchgate service-info``: plans for devices while they onboard, and receipts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from onboarding.cli.answers import first_of
from onboarding.cli.api import connected
from onboarding.cli.files import read_file, read_json, write_file
from onboarding.cli.guids import guid_of
from onboarding.cli.labels import labels_of
from onboarding.cli.options import Ca, Device, KeyFile
from onboarding.cli.output import (
    CliError,
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
)
from onboarding.cli.service_info_looks import app as looks
from onboarding.cli.service_info_looks import print_rules

app = typer.Typer(
    no_args_is_help=True, help="What an owner does with devices while they onboard."
)
app.registered_commands += looks.registered_commands

MAX_PLAN = 1024 * 1024
MAX_FILE = 8 * 1024 * 1024
Url = Annotated[str, typer.Option(help="The owner service's address.")]
Label = Annotated[
    list[str] | None, typer.Option(help="KEY=VALUE that a device must have; repeat it.")
]
Plan = Annotated[str, typer.Argument(help="Its name, or 'none' to take it back.")]
Version = Annotated[
    int | None, typer.Option(min=1, help="Of the plan; else its newest, always.")
]


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="The plan, JSON.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Check a plan and store it as the next version."""
    document = read_json(file, MAX_PLAN)
    with connected(url, api_key_file, ca) as api:
        stored = _map(api.json("POST", "service-info/plans", document))
    if json:
        return print_json(stored)
    console().print(f"plan {plain(stored.get('name'))}@{plain(stored.get('version'))}")


@app.command()
def file(
    path: Annotated[Path, typer.Argument(help="The file to send to devices.")],
    url: Url,
    name: Annotated[
        str | None, typer.Option(help="What plans call it; else its own name.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Store a file that plans may send."""
    content = read_file(path, MAX_FILE)
    called = quote(name or path.name, safe="")
    where, kind = f"service-info/files?name={called}", "application/octet-stream"
    with connected(url, api_key_file, ca) as api:
        stored = _map(api.read(api.request("POST", where, content, kind)))
    print_json(stored) if json else print_facts(stored)


@app.command()
def give(
    device: Device,
    plan: Plan,
    url: Url,
    version: Version = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Give one device a plan of its own, from its next TO2 on."""
    body = {"plan": _named(plan), "version": version}
    with connected(url, api_key_file, ca) as api:
        where = f"devices/{guid_of(device)}/service-info"
        given = _map(api.json("PUT", where, body))
    print_json(given) if json else print_facts(given)


@app.command()
def rule(
    plan: Plan,
    url: Url,
    label: Label = None,
    version: Version = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Give a plan to devices with these labels, or to all; print every rule."""
    body = {"labels": labels_of(label), "plan": _named(plan), "version": version}
    with connected(url, api_key_file, ca) as api:
        found = _map(api.json("PUT", "service-info/rules", body))
    print_rules(found, json)


@app.command()
def deliveries(
    device: Device,
    url: Url,
    limit: Annotated[int, typer.Option(min=1, help="Newest runs.")] = 5,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print what each run of TO2 delivered to a device, or failed to."""
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, f"devices/{guid_of(device)}/deliveries", limit)
    if json:
        return print_json({"items": found})
    for run in found:
        print_facts({key: run.get(key) for key in ("run", "at", "plan")})
        how = "done" if run.get("completed") else f"stopped at {run.get('stopped_at')}"
        print_facts({"ended": how, "error": run.get("error")})
        headings = ["module", "result", "item", "bytes", "exit code", "detail"]
        print_table(headings, [_row(one) for one in _maps(run.get("modules"))])


@app.command()
def upload(
    device: Device,
    run: Annotated[str, typer.Argument(help="The run, as deliveries names it.")],
    position: Annotated[int, typer.Argument(help="The module's place in that run.")],
    out: Annotated[Path, typer.Option(help="Where the file goes.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Fetch a file that a device gave."""
    where = f"devices/{guid_of(device)}/deliveries/{quote(run, safe='')}/{position}"
    with connected(url, api_key_file, ca) as api:
        given = api.request("GET", where).body
    write_file(out, given)
    if json:
        return print_json({"file": str(out), "bytes": len(given)})
    console().print(f"written to {plain(out)}")


def _row(module: Mapping[str, object]) -> list[object]:
    result = "ok" if module.get("ok") else "failed"
    if not module.get("accepted"):
        result = "turned down" if module.get("offered") else "not run"
    values = [module.get(key, "") for key in ("item", "bytes", "exit_code", "detail")]
    return [module.get("name"), result, *values]


def _named(plan: str) -> str | None:
    return None if plan == "none" else plan


def _map(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise CliError("the service's answer is not what was asked for")
    return value


def _maps(value: object) -> Iterator[Mapping[str, object]]:
    yield from (_map(one) for one in (value if isinstance(value, list) else []))
