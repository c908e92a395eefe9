"""Many vouchers signed over to one buyer: what a factory ships, in one go.

Each is extended and stored by itself. One that was signed over to this buyer before
comes out again unchanged, so that a call whose answer was lost can be repeated.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from onboarding.services import sale
from onboarding.services.api.answers.vouchers import HandedOverOut, HandOverOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    Body,
    GuidText,
    PublicPem,
    guid_text,
    parse_guid,
)
from onboarding.services.api.problems import from_error
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach, require_line
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.lines import NAME
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound, StoreError
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import PublicKey

router = api_router("vouchers")

MAX_AT_ONCE = 200


class _HandOver(Body):
    next_owner_pem: PublicPem


class SomeIn(_HandOver):
    """Vouchers by GUID, for one buyer."""

    guids: Annotated[list[GuidText], Field(min_length=1, max_length=MAX_AT_ONCE)]


class _Unsold(_HandOver):
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class LineIn(_Unsold):
    """What was never extended of one line, by GUID after ``cursor``."""

    line: Annotated[str, StringConstraints(pattern=NAME)]


class AllIn(_Unsold):
    """What was never extended, by GUID after ``cursor``."""

    all: Literal[True]


def _which(body: object) -> str:
    """Which of them a body is meant to be: only what it lacks for that is told."""
    named = body if isinstance(body, Mapping) else {}
    return next((one for one in ("guids", "line") if one in named), "all")


HandOverIn = Annotated[
    Annotated[SomeIn, Tag("guids")]
    | Annotated[LineIn, Tag("line")]
    | Annotated[AllIn, Tag("all")],
    Discriminator(_which),
]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What became of one voucher; ``record`` None if it was refused."""

    guid: bytes
    record: VoucherRecord | None = field(default=None, repr=False)
    code: str | None = None
    detail: str | None = None


@router.post("/vouchers/extend", **needs(Role.MANUFACTURER, lines=Reach.OWN))
def extend_vouchers(body: HandOverIn, context: Ctx, caller: Caller) -> HandOverOut:
    """Sign up to 200 vouchers over to one buyer; each is extended or refused by itself.

    One that was signed over to this buyer before comes out again as it is.
    """
    pem, who = body.next_owner_pem, actor(caller)
    key, _chain = sale.read_public(pem)
    buyer = PublicKey.of(key).fingerprint()
    within = caller.limits.lines
    guids, following = _chosen(context, body, buyer, within)
    done = [_one(context, guid, buyer, pem, who, within) for guid in guids]
    good = [one.record for one in done if one.record is not None]
    return {
        "extended": len(good),
        "refused": len(done) - len(good),
        "results": [_shown(one) for one in done],
        "next": following,
        "pem": "".join(map(sale.pem, good)),
    }


def _chosen(
    context: Context, body: HandOverIn, buyer: str, within: tuple[str, ...]
) -> tuple[list[bytes], str | None]:
    if isinstance(body, SomeIn):
        return [parse_guid(one).raw for one in body.guids], None
    line = body.line if isinstance(body, LineIn) else None
    if within and line is None:
        raise Problem(
            403,
            "scope-refused",
            "This key is for some production lines only.",
            remedy="Name one of them: `line`.",
        )
    if line is not None:
        require_line(line, within)
    page = context.stores.made.unsold(body.cursor, MAX_AT_ONCE, line, buyer)
    return list(page.items), page.cursor


def _one(
    context: Context,
    guid: bytes,
    buyer: str,
    pem: str,
    actor: str,
    within: tuple[str, ...],
) -> HandedOver:
    try:
        if within:
            context.stores.made.get(guid, within)
        record = context.stores.vouchers.get(guid)
        if record.entry_digests and record.key_fingerprint == buyer:
            return HandedOver(guid, record)
        _require_settled(context, guid)
        longer = sale.sold(context, record, pem)
        sale.keep(context, longer, actor)
    except (Problem, StoreError, VoucherError) as error:
        told = from_error(error)
        if told.status >= 500:
            raise
        return HandedOver(guid, None, told.code, told.detail)
    return HandedOver(guid, longer)


def _require_settled(context: Context, guid: bytes) -> None:
    """Raises Problem if another device stands under the same serial number."""
    with suppress(NotFound):
        made = context.stores.made.get(guid)
        if made.settled_at is not None:
            return
        if made.alarm is not None or context.stores.made.rivals(made.serial, guid):
            raise Problem(
                409,
                "serial-alarm",
                f"Serial number {made.serial} needs a look first.",
                remedy="`vouchgate made list --alarms`, then `vouchgate made settle`.",
            )


def _shown(one: HandedOver) -> HandedOverOut:
    return {
        "guid": guid_text(one.guid),
        "status": "refused" if one.record is None else "extended",
        "serial": None if one.record is None else one.record.serial,
        "code": one.code,
        "detail": one.detail,
    }
