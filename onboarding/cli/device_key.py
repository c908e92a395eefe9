"""``vouchgate device-key``: keys of devices that send none when they are made."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from onboarding.cli.answers import object_of
from onboarding.cli.api import connected
from onboarding.cli.bulk import Part, cut, post_once, send_parts
from onboarding.cli.files import read_file, read_json
from onboarding.cli.options import Ca, KeyFile, Limit, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_json,
    print_table,
    unusable,
)
from onboarding.cli.progress import progress

app = typer.Typer(
    no_args_is_help=True, help="Keys of devices that send none when they are made."
)

MAX_PEM, MAX_LIST = 16 * 1024, 64 * 1024 * 1024
TOGETHER, PART_BYTES = 500, 512 * 1024
JSON_TYPE = "application/json"
AGAIN = "Import the rest of the file: a name given again is good for another device."


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the device calls itself.")],
    pem: Annotated[Path, typer.Argument(help="Its public key or certificate, PEM.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Lay one key down, good for one device; again, if it is to be made anew."""
    text = read_file(pem, MAX_PEM).decode("latin1")
    _post([{"name": name, "pem": text}], url, api_key_file, ca, as_json=json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON: a list of {name, pem}.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Lay keys down, 500 at a time: all of those, or none if one cannot be used."""
    devices = read_json(file, MAX_LIST)
    if not isinstance(devices, list) or not devices:
        raise unusable(f"{file}: no list of keys", "Write [{name, pem}, …].")
    _post(devices, url, api_key_file, ca, as_json=json)


@app.command("list")
def list_(
    url: Url,
    limit: Limit = 100,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the keys, and which device each was used for."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"device-keys?limit={limit}")
    if json:
        return print_json(found)
    rows = [
        (one["name"], one["used_by"] or "not yet", one["fingerprint"])
        for one in found["items"]
    ]
    print_table(("name", "used by", "fingerprint"), rows)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="What the device calls itself.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Forget a key."""
    with connected(url, api_key_file, ca) as api:
        api.request("DELETE", f"device-keys?name={quote(name, safe='')}")
    if json:
        return print_json({"removed": name})
    console().print(f"removed {plain(name)}")


def _post(
    devices: list[Any], url: str, key: Path | None, ca: Path | None, *, as_json: bool
) -> None:
    written = (json_text.dumps(one).encode() for one in devices)
    parts = [_part(one) for one in cut(written, len, PART_BYTES, TOGETHER)]
    stored = 0

    def send(part: Part) -> None:
        nonlocal stored
        found = object_of(post_once(api, "device-keys", part.body, JSON_TYPE))
        stored += int(found["stored"])

    with (
        connected(url, key, ca) as api,
        progress("laying down", len(devices), as_json=as_json) as tell,
    ):
        send_parts(send, parts, tell, AGAIN)
    if as_json:
        return print_json({"stored": stored})
    console().print(f"keys laid down: {stored}")


def _part(written: list[bytes]) -> Part:
    return Part(len(written), b'{"devices": [' + b",".join(written) + b"]}")
