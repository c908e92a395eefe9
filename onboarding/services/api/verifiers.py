"""The verifiers that judge evidence, as this process has found them lately."""

from fastapi import Request

from attestation.keylime.verifiers import VerifierState
from onboarding.services.api.answers.keylime import VerifierOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import needs
from onboarding.services.api.fields import Limit, NumberCursor
from onboarding.services.api.paging import paged
from onboarding.services.api.routing import api_router
from onboarding.services.health import Health
from onboarding.store.apikeys import Role

router = api_router("verifiers")


@router.get("/verifiers", **needs(Role.OPERATOR, Role.SECURITY))
def list_verifiers(
    request: Request, limit: Limit = 100, cursor: NumberCursor = None
) -> Listed[VerifierOut]:
    """Verifiers in the order of their turns; each replica finds out by itself."""
    health: Health = request.app.state.health
    if health.link is None:
        return {"items": [], "next": None}
    pool = health.link.client.verifiers
    now, turns = pool.now(), enumerate(pool.states())
    page = paged(turns, lambda one: f"{one[0]:04d}", cursor, limit)
    return listed(page, lambda one: _shown(one[1], now))


def _shown(one: VerifierState, now: float) -> VerifierOut:
    left = max(0.0, one.open_until - now) if one.failures else 0.0
    return {
        "url": one.url,
        "circuit": one.circuit(now).value,
        "answered": one.answered,
        "failures": one.failures,
        "error": one.error or None,
        "tried_again_in": round(left) or None,
    }
