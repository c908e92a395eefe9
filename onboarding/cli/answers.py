"""Answers of the API: objects, and lists page after page."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode

from onboarding.cli.api import Api
from onboarding.cli.output import CliError
from onboarding.device.errors import Problem

PAGE = 200
_PAGELESS = "query.limit: This route has no such query"


def object_of(answer: object) -> dict[str, Any]:
    """An answer that is an object, as nearly all of JSON are. Raises CliError."""
    if not isinstance(answer, dict):
        raise CliError("the service answers with no object", "Is it a Vouchgate one?")
    return answer


def every_page(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """Yield what a list has, asking for one page after the other.

    Raises:
        CliError: The answer is no list, or one that does not come to its end.
    """
    route, _, query = path.partition("?")
    asked = {"limit": str(PAGE), **dict(parse_qsl(query))}
    before = None
    while True:
        found = _page(api, route, asked)
        yield from found["items"]
        cursor = found.get("next")
        if cursor is None:
            return
        if cursor == before:
            raise CliError(f"{route} says the same page comes next", "Report it.")
        asked["cursor"] = before = cursor


def first_of(
    api: Api, path: str, most: int, query: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The first ``most`` of a list."""
    size = min(most, PAGE)
    asked = {"limit": size, **{k: v for k, v in (query or {}).items() if v is not None}}
    return list(islice(every_page(api, f"{path}?{urlencode(asked)}"), most))


def whole_list(api: Api, path: str) -> dict[str, Any]:
    """What a list has, page after page, as one that is whole. Raises CliError."""
    return {"items": list(every_page(api, path))}


def _page(api: Api, route: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """One page. Raises CliError: there are none, as it is no list."""
    try:
        found = api.json("GET", f"{route}?{urlencode(asked)}")
    except Problem as error:
        if _PAGELESS in error.detail:
            raise _no_list(route) from error
        raise
    if not isinstance(found, Mapping) or not isinstance(found.get("items"), list):
        raise _no_list(route)
    return found


def _no_list(route: str) -> CliError:
    return CliError(f"{route} is no list", "Leave --all out.")
