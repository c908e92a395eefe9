"""What a request brings that its route does not know, refused by name.

A filter that is mistyped would else be no filter, and show everything.
"""

from collections.abc import Iterable, Iterator, Mapping

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException


def require_known(request: Request) -> None:
    """Refuse queries that the route does not take, and a body that is not JSON.

    Raises:
        RequestValidationError: 422, names each query.
        HTTPException: 415, where the route reads JSON.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - it is a dependency of those
    known = frozenset(_queries(route.dependant))
    odd = sorted(request.query_params.keys() - known)
    if odd:
        raise RequestValidationError([_complaint(one, known) for one in odd[:20]])
    if route.body_field is not None:
        _require_json(request.headers)


def _queries(dependant: Dependant) -> Iterator[str]:
    """What a route and all that it depends on take as queries."""
    yield from (one.alias for one in dependant.query_params)
    for part in dependant.dependencies:
        yield from _queries(part)


def _complaint(name: str, known: Iterable[str]) -> Mapping[str, object]:
    takes = ", ".join(sorted(known)) or "none"
    text = f"This route has no such query; it takes: {takes}"
    return {"type": "extra_forbidden", "loc": ("query", name[:64]), "msg": text}


def _require_json(headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type")
    if kind is None:
        return  # the framework finds no body in it, and says so
    main = kind.partition(";")[0].strip().lower()
    if main != "application/json" and not main.endswith("+json"):
        raise HTTPException(415, "This route reads JSON, and nothing else.")
