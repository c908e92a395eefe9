"""``vouchgate manifest``: the files that devices are to run, by name and version."""

from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Annotated

import typer

from attestation.manifest import MAX_FILES, ManifestKind
from onboarding.cli.answers import first_of, object_of
from onboarding.cli.api import connected
from onboarding.cli.files import read_file
from onboarding.cli.options import Ca, KeyFile, Most, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_json,
    print_table,
    unusable,
    when,
)

app = typer.Typer(no_args_is_help=True, help="The files that devices are to run.")

MAX_FILE = 300_000  # bytes; what the API takes of one


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Of the manifest.")],
    files: Annotated[
        list[Path], typer.Argument(help="Files, or directories with files.")
    ],
    url: Url,
    version: Annotated[int, typer.Option(min=1, help="A new one for new files.")],
    kind: Annotated[ManifestKind, typer.Option(help="What they are.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have the owner sign a version of a manifest; the same again is no change."""
    body = {"name": name, "version": version, "kind": kind.value, "files": _all(files)}
    with connected(url, api_key_file, ca) as api:
        made = object_of(api.json("POST", "manifests", body))
    if json:
        return print_json(made)
    console().print(f"{plain(name)} version {version}: {made['digest']}")


@app.command("list")
def list_(
    url: Url,
    limit: Most = 100,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Manifests by name and version."""
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, "manifests", limit)
    if json:
        return print_json({"items": found})
    print_table(
        ("manifest", "version", "kind", "since", "digest"),
        [
            (
                one["name"],
                one["version"],
                one["kind"],
                when(one["created_at"]),
                one["digest"],
            )
            for one in found
        ],
    )


def _all(given: list[Path]) -> list[dict[str, str]]:
    """Each file under the path that it is to have on the device."""
    found: list[dict[str, str]] = []
    for path in given:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file())
            found += [_file(one, str(one.relative_to(path))) for one in inside]
        else:
            found.append(_file(path, path.name))
        if len(found) > MAX_FILES:
            raise unusable(
                f"a manifest has at most {MAX_FILES} files", "Leave some out."
            )
    return found


def _file(path: Path, name: str) -> dict[str, str]:
    content = read_file(path, MAX_FILE)
    return {"path": name, "content": urlsafe_b64encode(content).decode().rstrip("=")}
