"""``vouchgate rendezvous``: who may register at a rendezvous server, and who has."""

from enum import StrEnum, unique
from typing import Annotated, Any

import typer

from onboarding.cli.answers import every_page
from onboarding.cli.api import connected
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    Json,
    console,
    print_facts,
    print_json,
    print_table,
    unusable,
)

app = typer.Typer(
    no_args_is_help=True, help="Who may register at a rendezvous server, and who has."
)

Key = Annotated[
    str, typer.Argument(help="The key's fingerprint: SHA-256, 64 hex digits.")
]
Manufacturer = Annotated[
    bool, typer.Option("--manufacturer", help="It is a manufacturer's, not an owner's.")
]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Quota = Annotated[
    int | None, typer.Option(min=0, help="How many devices it may have registered.")
]


@unique
class _Verdict(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@app.command()
def rules(
    url: Url,
    manufacturer: Manufacturer = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the rules for owners' keys, or for manufacturers'."""
    with connected(url, api_key_file, ca) as api:
        found = list(every_page(api, f"key-rules/{_holder(manufacturer=manufacturer)}"))
    if json:
        return print_json({"items": found})
    names = ("fingerprint", "verdict", "quota", "reason", "set_by")
    print_table(names, [_cells(one, names) for one in found])


@app.command()
def allow(
    key: Key,
    url: Url,
    quota: Quota = None,
    reason: Reason = "",
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Let an owner register; from the first one on, only allowed owners may."""
    body = {"verdict": _Verdict.ALLOW, "quota": quota, "reason": reason}
    with connected(url, api_key_file, ca) as api:
        made: Any = api.json("PUT", _path("owner", key), body)
    print_json(made) if json else print_facts(made)


@app.command()
def deny(
    key: Key,
    url: Url,
    manufacturer: Manufacturer = False,
    reason: Reason = "",
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Turn a key away, and serve what is registered with it no longer."""
    body = {"verdict": _Verdict.DENY, "reason": reason}
    with connected(url, api_key_file, ca) as api:
        path = _path(_holder(manufacturer=manufacturer), key)
        made: Any = api.json("PUT", path, body)
    print_json(made) if json else print_facts(made)


@app.command()
def limit(
    key: Key,
    quota: Annotated[int, typer.Option(min=0, help="Devices it may register.")],
    url: Url,
    reason: Reason = "",
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Give an owner a quota of its own, and neither allow nor deny it."""
    with connected(url, api_key_file, ca) as api:
        body = {"quota": quota, "reason": reason}
        made: Any = api.json("PUT", _path("owner", key), body)
    print_json(made) if json else print_facts(made)


@app.command()
def forget(
    key: Key,
    url: Url,
    manufacturer: Manufacturer = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Take a rule back: the key is treated like any other again."""
    holder = _holder(manufacturer=manufacturer)
    with connected(url, api_key_file, ca) as api:
        api.request("DELETE", _path(holder, key))
    if json:
        return print_json({"holder": holder, "fingerprint": key, "forgotten": True})
    console().print(f"no rule for {holder} key {key} any more")


@app.command()
def owners(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List who has registered devices, how many, and how many each may."""
    with connected(url, api_key_file, ca) as api:
        counted: Any = api.json("GET", "registrations")
        found = list(every_page(api, "registrations/owners"))
    if json:
        return print_json({"live": counted["live"], "items": found})
    names = ("fingerprint", "held", "quota", "verdict")
    print_table(names, [_cells(one, names) for one in found])
    console().print(f"live registrations: {counted['live']}")


def _holder(*, manufacturer: bool) -> str:
    return "manufacturer" if manufacturer else "owner"


def _path(holder: str, key: str) -> str:
    if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
        raise unusable(
            f"{key} is no key's fingerprint",
            "It has 64 hex digits in lower case; `vouchgate voucher show` prints them.",
        )
    return f"key-rules/{holder}/{key}"


def _cells(item: dict[str, Any], names: tuple[str, ...]) -> list[object]:
    return ["" if item[name] is None else item[name] for name in names]
