"""The public halves of this service's keys."""

from typing import Annotated

from fastapi import Query

from onboarding.services.api.answers.keys import KeyOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import ANY, Ctx, needs
from onboarding.services.api.fields import Limit, NameCursor
from onboarding.services.api.paging import paged
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.key_store import KeyInfo, KeyKind

router = api_router("keys")

KindQuery = Annotated[KeyKind | None, Query()]


@router.get("/keys", **needs(*ANY, labels=Reach.OPEN, lines=Reach.OPEN))
def list_keys(
    context: Ctx, limit: Limit = 100, cursor: NameCursor = None, kind: KindQuery = None
) -> Listed[KeyOut]:
    """Keys by kind and name; an owner's key is what a seller extends to."""
    rings = context.keyrings.values()
    for ring in rings:
        ring.refresh()
    infos = (info for ring in rings for info in ring.infos())
    found = (one for one in infos if kind is None or one.kind is kind)
    page = paged(found, lambda one: f"{one.kind.value}/{one.name}", cursor, limit)
    return listed(page, lambda one: _shown(context, one))


def _shown(context: Context, info: KeyInfo) -> KeyOut:
    standing = context.owner_keys.standing(info.fingerprint)
    return {
        "name": info.name,
        "kind": info.kind.value,
        "algorithm": info.algorithm.value,
        "fingerprint": info.fingerprint,
        "public_pem": info.public_pem,
        "certificate_pem": info.certificate_pem,
        "custody": info.custody.value,
        "state": standing.state.value,
        "successor": standing.successor,
        "reason": standing.reason,
    }


def require_key(context: Context, kind: KeyKind, name: str, status: int) -> None:
    """Raises Problem with that status if no key of a kind has that name."""
    if name not in {info.name for info in context.key_store.list(kind)}:
        raise Problem(
            status,
            "no-such-key",
            f"There is no {kind.value} key {name}.",
            remedy="`vouchgate keys show` lists the keys; `keys new` makes one.",
        )
