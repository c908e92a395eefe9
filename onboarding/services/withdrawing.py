"""Taking a workload back: when, under which cap, and by which order."""

import logging
from collections.abc import Mapping

from attestation.decision import Deny, DenyCode
from attestation.withdrawal import RemovalOrder, order_nonce, sign_order
from onboarding.services import logs
from onboarding.services.context import Context
from onboarding.services.gate import Gate, Situation
from onboarding.store.events import Event
from onboarding.store.releases import ReleaseRecord, ReleaseState
from onboarding.store.state import Removal
from ownership_vouchers.algorithms import Signer
from ownership_vouchers.types import Guid

WINDOW = 3600  # seconds that the cap counts over
_TAKES_BACK = frozenset({DenyCode.RETIRED, DenyCode.APPRAISAL_FAILED})

log = logging.getLogger(__name__)


class Withdrawals:
    """Withdraws what a denied device still runs."""

    def __init__(self, context: Context, gate: Gate) -> None:
        self._context = context
        self._gate = gate

    def review(self, guid: bytes, actor: str) -> bool:
        """Decide on a device with a live release anew; withdraw if it lost its right.

        A lease that ran out stops new tickets only; a failed appraisal takes the
        workload back.
        """
        if not self._context.stores.releases.live(guid):
            return False
        made = self._gate.decide(self._gate.situation(guid))
        if not isinstance(made.decision, Deny):
            return False
        why = [one for one in made.decision.reasons if one.code in _TAKES_BACK]
        if not why:
            return False
        self._gate.record(made, actor)
        cause = why[0].sentence
        if self._capped(made.now):
            self._hold(guid, cause, actor, made.now)
            return False
        return self.withdraw(guid, cause, actor)

    def withdraw(self, guid: bytes, cause: str, actor: str) -> bool:
        """Take back whatever the device has; False when it has nothing."""
        now = self._context.now()
        taken = self._context.stores.releases.withdraw(guid, cause[:500], actor, now)
        if taken:
            self._context.meters.withdrawals.inc()
        return bool(taken)

    def _capped(self, now: int) -> bool:
        cap = self._context.settings.withdraw_cap
        events = self._context.stores.events.page(None, cap + 1, "release.withdrawn")
        recent = [one for one in events.items if one.at > now - WINDOW]
        return len(recent) >= cap

    def _hold(self, guid: bytes, cause: str, actor: str, now: int) -> None:
        about = logs.of(guid=str(Guid(guid)))
        log.error("withdrawal from %s held by the cap", Guid(guid), extra=about)
        detail: Mapping[str, object] = {
            "cause": cause[:500],
            "remedy": "POST /api/v1/devices/{guid}/withdraw, or correct the policy",
        }
        self._context.stores.events.append(
            Event("release.withdrawal_held", actor, now, guid, None, detail)
        )


def pending_order(context: Context, situation: Situation) -> RemovalOrder | None:
    """Return the order that a device still has to answer, if there is one.

    It follows from the stored release alone, so every replica gives out the
    same one and none has to be kept.
    """
    device = situation.device
    withdrawn = device.facts.withdrawn_at
    if withdrawn is None or device.removal is Removal.PROVEN:
        return None
    taken = [
        one
        for one in context.stores.releases.of_device(device.guid)
        if one.state is ReleaseState.WITHDRAWN and one.withdrawn_at == withdrawn
    ]
    if not taken:
        return None
    # What was reported as running goes first, then what was granted last.
    chosen = max(taken, key=lambda one: (one.released_at or 0, one.granted_at))
    return _order(situation.guid, chosen, withdrawn)


def _order(guid: Guid, release: ReleaseRecord, withdrawn: int) -> RemovalOrder:
    nonce = order_nonce(guid, withdrawn, release.decision_id)
    return RemovalOrder(
        guid, release.manifest_digest.hex(), release.cause or "", withdrawn, nonce
    )


def signed_order(order: RemovalOrder, signer: Signer) -> bytes:
    """Sign an order with the key that the device trusts."""
    return sign_order(order, signer)
