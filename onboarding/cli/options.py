"""What many commands are told in the same way: which service, as whom, how much."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

Url = Annotated[
    str, typer.Option(envvar="VOUCHGATE_URL", help="The service's address.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="VOUCHGATE_API_KEY_FILE",
        help="File with the API key; else VOUCHGATE_API_KEY.",
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="VOUCHGATE_CA",
        help="Certificates (PEM) that vouch for HTTPS servers; else the public ones.",
    ),
]
Device = Annotated[str, typer.Argument(help="The device's GUID.")]
Version = Annotated[int | None, typer.Option(min=1, help="Else the newest.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many.")]
Most = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most.")]


Reason = Annotated[str | None, typer.Option(help="Why, for the audit log.")]


def said(reason: str | None) -> str:
    """The query that tells a service why; empty without a reason."""
    return urlencode({"reason": reason} if reason else {})
