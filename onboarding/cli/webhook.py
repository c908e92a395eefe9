"""``vouchgate webhook``: who is told of events, and what never arrived."""

from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.answers import every_page, object_of, whole_list
from onboarding.cli.api import connected
from onboarding.cli.files import write_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
    when,
)

app = typer.Typer(
    no_args_is_help=True, help="Who is told of events, and what never arrived."
)

Webhook = Annotated[str, typer.Argument(help="Its id.")]
Out = Annotated[
    Path | None, typer.Option(help="Write the secret there, for its owner only.")
]


@app.command()
def new(
    target: Annotated[str, typer.Argument(help="Where events are sent: a URL.")],
    url: Url,
    cause: Annotated[
        list[str] | None,
        typer.Option(help="Which events: a cause, or its beginning; else all."),
    ] = None,
    out: Out = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Tell somebody of events from now on. Its secret is shown now and never again."""
    body = {"url": target, "causes": cause or []}
    with connected(url, api_key_file, ca) as api:
        made: Any = api.json("POST", "webhooks", body)
    _told(made, out, json=json)


@app.command("list")
def list_(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List webhooks. Their secrets are sealed, so they cannot be shown."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "webhooks")
    if json:
        return print_json(found)
    print_table(
        ["id", "url", "causes", "delivered", "stopped"],
        [
            (
                one["id"],
                one["url"],
                " ".join(one["causes"]) or "all",
                when(one["delivered_at"]),
                one["stopped"] or "",
            )
            for one in found["items"]
        ],
    )


@app.command()
def show(
    webhook: Webhook,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print one webhook, and how it fares; not its secret."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", f"webhooks/{webhook}"))
    print_json(found) if json else print_facts(found)


@app.command()
def remove(
    webhook: Webhook,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Tell it nothing more, not even what is on its way."""
    with connected(url, api_key_file, ca) as api:
        api.json("DELETE", f"webhooks/{webhook}")
    if json:
        return print_json({"removed": webhook})
    console().print(f"[green]removed[/] {plain(webhook)}")


@app.command()
def rotate(
    webhook: Webhook,
    url: Url,
    out: Out = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Sign by a new secret, which is shown now; for a day by the old one as well."""
    with connected(url, api_key_file, ca) as api:
        made: Any = api.json("POST", f"webhooks/{webhook}/rotate")
    _told(made, out, json=json)


@app.command()
def resume(
    webhook: Webhook,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Send again to a webhook that was stopped, what was kept for it included."""
    with connected(url, api_key_file, ca) as api:
        made: Any = api.json("POST", f"webhooks/{webhook}/resume")
    print_json(made) if json else print_facts(made)


@app.command()
def deliveries(
    webhook: Webhook,
    url: Url,
    dead: Annotated[bool, typer.Option("--dead", help="Only what was given up.")] = (
        False
    ),
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List events on their way, and dead letters, the newest first."""
    with connected(url, api_key_file, ca) as api:
        path = f"webhooks/{webhook}/deliveries?dead={str(dead).lower()}"
        found = list(every_page(api, path))
    if json:
        return print_json({"items": found})
    names = ("seq", "state", "attempts", "status", "error")
    print_table(
        [*names, "next"],
        [(*(_cell(one[name]) for name in names), when(one["due"])) for one in found],
    )


@app.command()
def redeliver(
    webhook: Webhook,
    url: Url,
    seq: Annotated[
        int | None, typer.Option(min=1, help="One event's number; else all dead ones.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Send dead letters once more."""
    which = "" if seq is None else f"/deliveries/{seq}"
    with connected(url, api_key_file, ca) as api:
        done: Any = api.json("POST", f"webhooks/{webhook}{which}/redeliver")
    if json:
        return print_json(done)
    console().print(f"[green]redelivered[/] {done['redelivered']}")


def _told(made: dict[str, Any], out: Path | None, *, json: bool) -> None:
    """Show a webhook; its secret goes to a file, if one is named."""
    secret = str(made["secret"])
    if out is not None:
        write_file(out, f"{secret}\n".encode(), mode=0o600)
        made = {**made, "secret": str(out)}
    print_json(made) if json else print_facts(made)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
