"""What ``vouchgate service-info`` shows: plans, files, rules, and who gets which."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from onboarding.cli.answers import every_page, object_of, whole_list
from onboarding.cli.api import connected
from onboarding.cli.guids import guid_of
from onboarding.cli.options import Ca, Device, KeyFile, Url, Version
from onboarding.cli.output import (
    Json,
    console,
    print_facts,
    print_json,
    print_table,
    unusable,
)

app = typer.Typer()


@app.command()
def plans(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List plans, each in its newest version."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "service-info/plans")
    if json:
        return print_json(found)
    rows = [(one["name"], one["version"], one["digest"]) for one in found["items"]]
    print_table(("plan", "version", "digest"), rows)


@app.command("show-plan")
def show_plan(
    name: Annotated[str, typer.Argument(help="The plan's.")],
    url: Url,
    version: Version = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print a plan, and which versions there are."""
    query = "" if version is None else f"?version={version}"
    with connected(url, api_key_file, ca) as api:
        path = f"service-info/plans/{quote(name, safe='')}{query}"
        found = object_of(api.json("GET", path))
    print_json(found) if json else print_facts(found)


@app.command()
def files(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List the files that plans may send."""
    with connected(url, api_key_file, ca) as api:
        found = list(every_page(api, "service-info/files"))
    if json:
        return print_json({"items": found})
    rows = [(one["name"], one["size"], one["sha256"]) for one in found]
    print_table(("file", "bytes", "SHA-256"), rows)


@app.command()
def forget(
    digest: Annotated[str, typer.Argument(help="SHA-256 of the file.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Forget a file that no plan sends in its newest version."""
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise unusable("a digest is 64 lower-case hexadecimal digits")
    with connected(url, api_key_file, ca) as api:
        api.request("DELETE", f"service-info/files/{digest}")
    if json:
        return print_json({"forgotten": digest})
    console().print(f"forgotten: {digest}")


@app.command()
def rules(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List which devices are given which plan, as rules are tried."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "service-info/rules")
    print_rules(found, json)


@app.command()
def show(
    device: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say which plan a device's next TO2 runs, and why that one."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", f"devices/{guid_of(device)}/service-info"))
    print_json(found) if json else print_facts(found)


def print_rules(found: Mapping[str, Any], as_json: bool) -> None:
    """Print rules in the order in which they are tried."""
    if as_json:
        return print_json(found)
    rows = [
        (_words(one["labels"]), one["plan"], one["version"] or "newest")
        for one in found["items"]
    ]
    print_table(("labels", "plan", "version"), rows)


def _words(labels: Mapping[str, str]) -> str:
    pairs = [f"{key}={value}" for key, value in labels.items()]
    return ", ".join(pairs) or "(all devices)"
