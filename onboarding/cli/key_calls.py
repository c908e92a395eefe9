"""Owner keys as a running service tells of them."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from onboarding.cli.answers import every_page, object_of
from onboarding.cli.api import Api
from onboarding.cli.output import CliError

OWNER = "owner"
NEEDED = ("waiting", "onboarded", "moving", "fallback")
Key = Annotated[str, typer.Argument(help="The owner key's name or fingerprint.")]


def owner_keys(api: Api) -> list[dict[str, Any]]:
    """Every owner key that is here, by name."""
    return list(every_page(api, "keys?kind=owner"))


def owner_key(api: Api, key: str) -> dict[str, Any]:
    """An owner key that is here, by name or fingerprint."""
    for one in owner_keys(api):
        if key in (one["name"], one["fingerprint"]):
            return one
    raise CliError(
        f"the service has no owner key {key}",
        "See `vouchgate keys owned`; a new key's file must be in its key directory.",
    )


def any_key(api: Api, key: str) -> dict[str, Any]:
    """As ``_owner_key``, or one by the fingerprint alone: its file may be lost."""
    if len(key) == 64 and not set(key) - set("0123456789abcdef"):
        return {**object_of(api.json("GET", f"keys/{key}"))}
    return owner_key(api, key)


def held(api: Api, fingerprint: str) -> Iterator[dict[str, Any]]:
    """Every voucher that hangs on a key, verified anew by the service."""
    return every_page(api, f"keys/{fingerprint}/vouchers")


def as_maps(found: object) -> list[dict[str, Any]]:
    """A list of objects of an answer. Raises CliError."""
    if not isinstance(found, list):
        raise CliError("the service's answer is not one of Vouchgate's")
    return [object_of(one) for one in found]
