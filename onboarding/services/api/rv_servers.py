"""The rendezvous servers that vouchers name, and whether they are tried just now."""

from typing import Annotated

from fastapi import Query
from pydantic import StringConstraints

from onboarding.services.api.answers.kinds import Listed
from onboarding.services.api.answers.rendezvous import RvServerOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import Body, Limit
from onboarding.services.api.routing import api_router
from onboarding.store.apikeys import Role
from onboarding.store.rv_servers import RvServer

router = api_router("rendezvous")

Address = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,300}$")]
AfterServer = Annotated[str | None, Query(max_length=310)]


class ServerIn(Body):
    """A server, by the address that the list shows."""

    server: Address


@router.get("/rendezvous-servers", **needs(Role.OPERATOR, Role.SECURITY))
def list_servers(
    context: Ctx, limit: Limit = 100, cursor: AfterServer = None
) -> Listed[RvServerOut]:
    """Servers that were tried lately, and how they answered, all vouchers together."""
    now = context.now()
    page = context.stores.rv_servers.page(cursor, limit)
    return {"items": [_shown(one, now) for one in page.items], "next": page.cursor}


@router.post("/rendezvous-servers/reset", **needs(Role.OPERATOR))
def reset_server(body: ServerIn, context: Ctx, caller: Caller) -> RvServerOut:
    """Try a server again that is left alone: its circuit is closed from now on."""
    now = context.now()
    return _shown(context.stores.rv_servers.reset(body.server, actor(caller), now), now)


def _shown(one: RvServer, now: int) -> RvServerOut:
    return {
        "server": one.server,
        "circuit": one.circuit(now).value,
        "failures": one.failures,
        "error": one.error or None,
        "failed_at": one.failed_at or None,
        "answered_at": one.answered_at or None,
        "open_until": one.open_until or None,
    }
