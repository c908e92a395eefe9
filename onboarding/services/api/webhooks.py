"""Webhooks: who is told of events, by which secret, and what never arrived."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import Field, StringConstraints

from onboarding.services import webhooks
from onboarding.services.api.answers.access import (
    NewWebhookOut,
    RedeliveredOut,
    WebhookDeliveryOut,
    WebhookOut,
)
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, answered, record_tag
from onboarding.services.api.fields import (
    Body,
    Limit,
    NumberCursor,
    TimeCursor,
)
from onboarding.services.api.paging import made_at, paged
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.outgoing import URL_LIMIT, Outgoing, require_url
from onboarding.services.webhook_signing import secret_text
from onboarding.store.apikeys import Role
from onboarding.store.webhook_records import Delivery, Webhook

router = api_router("webhooks")

SECURITY = needs(Role.SECURITY)
HookId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
Seq = Annotated[int, Path(ge=1, le=2**53)]
_PORT = (
    r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]"
    r"|6553[0-5])"
)
Url = Annotated[
    str,
    StringConstraints(
        max_length=URL_LIMIT,
        pattern=rf"^https?://[A-Za-z0-9.-]{{1,253}}(?::{_PORT})?(?:/[!\"$-~]*)?$",
    ),
]
CausePrefix = Annotated[str, StringConstraints(pattern=r"^[a-z_.-]{1,64}$")]


class WebhookIn(Body):
    """Where to, and which events: causes, or what they begin with; none is all."""

    url: Url
    causes: Annotated[tuple[CausePrefix, ...], Field(max_length=15)] = ()


@router.get("/webhooks", **SECURITY)
def list_webhooks(
    context: Ctx, limit: Limit = 100, cursor: TimeCursor = None
) -> Listed[WebhookOut]:
    """Every webhook, without secrets."""
    known = context.stores.webhooks.list()
    page = paged(known, lambda one: made_at(one.created_at, one.id), cursor, limit)
    return listed(page, _shown)


@router.post("/webhooks", status_code=201, **SECURITY)
def create_webhook(body: WebhookIn, context: Ctx, caller: Caller) -> NewWebhookOut:
    """Tell somebody of events from now on; its secret is in this answer only."""
    require_url(body.url, Outgoing(context.settings.webhook_networks_read))
    secret = webhooks.new_secret()
    sealed = webhooks.seal(context, secret)
    causes = tuple(dict.fromkeys(body.causes))
    made = context.stores.webhooks.add(
        body.url, causes, sealed, actor(caller), context.now()
    )
    return {**_shown(made), "secret": secret_text(secret)}


@router.get("/webhooks/{webhook}", **SECURITY)
def get_webhook(webhook: HookId, context: Ctx) -> Tagged[WebhookOut]:
    """One webhook, without its secret; its ETag leaves out how far it was told."""
    found = context.stores.webhooks.get(webhook)
    return answered(_shown(found), record_tag(found))


@router.delete("/webhooks/{webhook}", status_code=204, **SECURITY)
def delete_webhook(
    webhook: HookId, context: Ctx, caller: Caller, when: When
) -> Response:
    """Tell it nothing more, not even what is on its way."""
    hooks = context.stores.webhooks
    before = hooks.get(webhook)
    with when.meeting(before, record_tag(before)) as seen:
        hooks.remove(webhook, actor(caller), context.now(), seen)
    return Response(status_code=204)


@router.post("/webhooks/{webhook}/rotate", **SECURITY)
def rotate_secret(webhook: HookId, context: Ctx, caller: Caller) -> NewWebhookOut:
    """Sign by a new secret; for a day by the old one as well."""
    secret, now = webhooks.new_secret(), context.now()
    until = now + webhooks.OVERLAP_SECONDS
    sealed = webhooks.seal(context, secret)
    context.stores.webhooks.rotate(webhook, sealed, until, actor(caller), now)
    shown = _shown(context.stores.webhooks.get(webhook))
    return {**shown, "secret": secret_text(secret)}


@router.post("/webhooks/{webhook}/resume", **SECURITY)
def resume(webhook: HookId, context: Ctx, caller: Caller) -> WebhookOut:
    """Send again to a webhook that was stopped, what was kept for it included."""
    context.stores.webhooks.resume(webhook, actor(caller), context.now())
    return _shown(context.stores.webhooks.get(webhook))


@router.get("/webhooks/{webhook}/deliveries", **SECURITY)
def list_deliveries(
    webhook: HookId,
    context: Ctx,
    limit: Limit = 100,
    cursor: NumberCursor = None,
    dead: bool = False,
) -> Listed[WebhookDeliveryOut]:
    """Events on their way, and dead letters; with ``dead`` these only."""
    page = context.stores.webhooks.page(webhook, cursor, limit, dead=dead)
    return listed(page, _delivery)


@router.post("/webhooks/{webhook}/redeliver", **SECURITY)
def redeliver_all(webhook: HookId, context: Ctx) -> RedeliveredOut:
    """Send every dead letter once more."""
    count = context.stores.webhooks.redeliver(webhook, context.now())
    return {"redelivered": count}


@router.post("/webhooks/{webhook}/deliveries/{seq}/redeliver", **SECURITY)
def redeliver(webhook: HookId, seq: Seq, context: Ctx) -> RedeliveredOut:
    """Send one dead letter once more."""
    count = context.stores.webhooks.redeliver(webhook, context.now(), seq)
    return {"redelivered": count}


def _shown(one: Webhook) -> WebhookOut:
    return {
        "id": one.id,
        "url": one.url,
        "causes": list(one.causes),
        "stopped": one.disabled,
        "seen": one.cursor,
        "delivered_at": one.delivered_at,
        "previous_secret_until": one.previous_until,
        "created_at": one.created_at,
        "created_by": one.created_by,
    }


def _delivery(one: Delivery) -> WebhookDeliveryOut:
    return {
        "seq": one.seq,
        "state": "dead" if one.dead else "pending",
        "attempts": one.attempts,
        "due": None if one.dead else one.due,
        "tried_at": one.tried_at,
        "status": one.status,
        "error": one.error,
    }
