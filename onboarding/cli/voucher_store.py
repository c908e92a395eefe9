"""What ``vouchgate voucher`` does with the vouchers that a service keeps."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.answers import first_of, object_of, whole_list
from onboarding.cli.api import connected
from onboarding.cli.files import read_json, write_file
from onboarding.cli.guids import guid_of
from onboarding.cli.options import Ca, Device, KeyFile, Most, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
    unusable,
    when,
)

app = typer.Typer()

MAX_DIRECTIVES = 64 * 1024


class Next(StrEnum):
    """What the next TO2 makes of a credential."""

    REUSE = "reuse"
    REPLACE = "replace"
    AS_ALL = "as-all"


@app.command("list")
def list_(
    url: Url,
    serial: Annotated[str | None, typer.Option(help="Only of that one.")] = None,
    owner: Annotated[
        str | None, typer.Option(help="Only those that end in this key.")
    ] = None,
    limit: Most = 100,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the vouchers that a service keeps."""
    query = {"serial": serial, "owner_fingerprint": owner}
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, "vouchers", limit, query)
    if json:
        return print_json({"items": found})
    names = ("guid", "serial", "device_info", "entries", "owner_fingerprint")
    print_table(
        ("GUID", "serial", "device info", "entries", "ends in key"),
        [[one[name] for name in names] for one in found],
    )


@app.command()
def kept(
    guid: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print what a service keeps of a voucher, and all that can be read from it."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", f"vouchers/{guid_of(guid)}"))
    print_json(found) if json else print_facts(found)


@app.command()
def lineage(
    guid: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List every voucher that an owner keeps of a device, the live one first."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, f"vouchers/{guid_of(guid)}/lineage")
    if json:
        return print_json(found)
    print_table(
        ("GUID", "standing", "entries", "added"),
        [
            (one["guid"], one["standing"], one["entries"], when(one["added_at"]))
            for one in found["items"]
        ],
    )


@app.command()
def passport(
    guid: Device,
    url: Url,
    out: Annotated[Path, typer.Option(help="Where it goes, as it was signed.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Fetch a device's passport as its manufacturer signed it."""
    with connected(url, api_key_file, ca) as api:
        document = api.request("GET", f"vouchers/{guid_of(guid)}/passport").body
    write_file(out, document)
    if json:
        return print_json({"file": str(out), "bytes": len(document)})
    console().print(f"{len(document)} bytes written to {plain(out)}")


@app.command()
def credential(
    guid: Device,
    url: Url,
    make: Annotated[
        Next | None, typer.Option(help="Have it so; else what is planned is printed.")
    ] = None,
    directives: Annotated[
        Path | None,
        typer.Option(help="JSON: rendezvous directives of the one that replaces it."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="Fingerprint of the owner key it shall know.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say, or set, what the next TO2 makes of a device's credential."""
    path, body = f"vouchers/{guid_of(guid)}/credential", _plan(make, directives, owner)
    with connected(url, api_key_file, ca) as api:
        if body is None:
            found = object_of(api.json("GET", path))
        else:
            found = object_of(api.json("PUT", path, body))
    print_json(found) if json else print_facts(found)


@app.command()
def recover(
    guid: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Serve a replaced voucher again: its device still has that credential."""
    with connected(url, api_key_file, ca) as api:
        done = object_of(api.json("POST", f"vouchers/{guid_of(guid)}/recover"))
    if json:
        return print_json(done)
    console().print(
        f"voucher of {plain(guid)} is served again"
        if done["recovered"]
        else f"voucher of {plain(guid)} was served anyway"
    )


@app.command()
def delete(
    guid: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have a service forget a voucher; an owned device stays on record, as retired."""
    with connected(url, api_key_file, ca) as api:
        api.request("DELETE", f"vouchers/{guid_of(guid)}")
    if json:
        return print_json({"deleted": guid})
    console().print(f"voucher of {plain(guid)} is forgotten")


def _plan(
    make: Next | None, directives: Path | None, owner: str | None
) -> dict[str, object] | None:
    """The body that sets it; None to look only. Raises CliError."""
    if make is not Next.REPLACE and (directives is not None or owner is not None):
        raise unusable("--directives and --owner go with --make replace", "Say that.")
    if make is None:
        return None
    if make is not Next.REPLACE:
        return {"mode": None if make is Next.AS_ALL else make.value}
    told = None if directives is None else read_json(directives, MAX_DIRECTIVES)
    return {"mode": make.value, "directives": told, "owner_fingerprint": owner}
