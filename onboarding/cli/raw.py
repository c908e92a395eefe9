"""``vouchgate api``: any call of the management API, for what has no command."""

import json as json_text
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.answers import every_page
from onboarding.cli.api import LIMIT, connected
from onboarding.cli.files import read_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import print_json, unusable

PREFIX = "/api/v1/"


class Method(StrEnum):
    """What the API understands."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"


def api(
    method: Annotated[Method, typer.Argument(case_sensitive=False)],
    path: Annotated[str, typer.Argument(help="As the OpenAPI document has it.")],
    url: Url,
    data: Annotated[
        Path | None, typer.Option(help="File to send; - is standard input.")
    ] = None,
    content_type: Annotated[
        str, typer.Option(help="What the file is.")
    ] = "application/json",
    pages: Annotated[
        bool, typer.Option("--all", help="Every page of a list, as one.")
    ] = False,
    if_match: Annotated[
        str | None, typer.Option(help="Only if it still has this ETag.")
    ] = None,
    etag: Annotated[
        bool, typer.Option("--etag", help="Its ETag, on standard error.")
    ] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Annotated[
        bool, typer.Option("--json", help="Say how it failed as JSON, too.")
    ] = False,
) -> None:
    """Make one call of a service's API and print its answer as it is."""
    del json  # answers are what they are; it is how errors are said
    asked = path.removeprefix(PREFIX).lstrip("/")
    if pages and method is not Method.GET:
        raise unusable("--all is for GET", "Leave it out.")
    content = None if data is None else _content(data)
    with connected(url, api_key_file, ca) as service:
        if pages:
            return print_json({"items": list(every_page(service, asked))})
        held = {} if if_match is None else {"If-Match": if_match}
        reply = service.request(method.value, asked, content, content_type, held)
    if etag:
        typer.echo(reply.headers.get("etag", ""), err=True)
    _print(reply.body)


def _content(path: Path) -> bytes:
    if str(path) != "-":
        return read_file(path, LIMIT)
    found = sys.stdin.buffer.read(LIMIT + 1)
    if len(found) > LIMIT:
        raise unusable(f"standard input has over {LIMIT} bytes", "Send less at once.")
    return found


def _print(body: bytes) -> None:
    """JSON indented; anything else byte for byte."""
    try:
        found: Any = json_text.loads(body) if body else None
    except ValueError:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
        return
    if found is not None:
        print_json(found)
