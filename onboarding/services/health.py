"""Whether a service lives, is ready, and what it is doing: asked without a key.

So nothing here names a device, a person or a secret, and what costs is asked at
most every few seconds, whoever asks.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from fastapi import APIRouter, Request
from typing_extensions import TypedDict

from attestation.keylime.drift import DriftKind
from attestation.keylime.errors import KeylimeError
from attestation.keylime.verifiers import Circuit as VerifierCircuit
from onboarding.services.cached import Cached
from onboarding.services.context import Context
from onboarding.services.drift import DriftDesk
from onboarding.services.errors import KeyStoreError, Problem
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.to0 import KIND
from onboarding.store.errors import StoreError
from onboarding.store.overview import Overview
from onboarding.store.rv_servers import Circuit
from onboarding.store.state import DeviceState
from onboarding.store.tasks import Backlog

KEYLIME_SECONDS = 5.0
HOLDER_SECONDS = 2.0
DRIFT_SECONDS = 300.0  # a look asks for every agent
COUNT_SECONDS = 5.0
OK = "ok"

log = logging.getLogger(__name__)
router = APIRouter(tags=["health"])


class AliveOut(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class ReadyOut(TypedDict):
    """What the service needs, part by part: ``ok``, or what is wrong with it."""

    status: str
    role: str
    checks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Health:
    """What is looked at; ``keylime`` is None where none is configured."""

    context: Context
    keylime: Cached[str] | None
    devices: Cached[Mapping[DeviceState, int]]
    overview: Cached[Overview]
    alarms: Cached[int]
    registrations: Cached[int]
    webhooks: Cached[tuple[int, int]]
    to0: Cached[tuple[Backlog, Mapping[Circuit, int]]]
    holders: Cached[str]
    link: KeylimeLink | None = None
    drift: Cached[Mapping[DriftKind, int]] | None = None

    @classmethod
    def of(cls, context: Context, link: KeylimeLink | None) -> Self:
        """Look after one service."""
        stores = context.stores
        return cls(
            context,
            None if link is None else Cached(lambda: _keylime(link), KEYLIME_SECONDS),
            Cached(lambda: stores.devices.counts(context.now()), COUNT_SECONDS),
            Cached(stores.overview.overview, COUNT_SECONDS),
            Cached(stores.made.alarms, COUNT_SECONDS),
            Cached(lambda: stores.registrations.count(context.now()), COUNT_SECONDS),
            Cached(stores.webhooks.counts, COUNT_SECONDS),
            Cached(lambda: _to0(context), COUNT_SECONDS),
            Cached(lambda: _holders(context), HOLDER_SECONDS),
            link,
            None if link is None else Cached(_drift(context, link), DRIFT_SECONDS),
        )

    def checks(self) -> dict[str, str]:
        """Each part that the service needs: ``ok``, or what is wrong with it."""
        found = {"database": self._database(), "keys": self._keys()}
        if self.keylime is not None:
            found["keylime"] = self.keylime.get()
        return found

    def _database(self) -> str:
        try:
            if not self.context.database.is_current():
                return "the database's schema is of another version"
            fault = self.context.database.fault(self.context.settings.min_free_mib)
        except StoreError as error:
            return str(error)
        return fault or OK

    def _keys(self) -> str:
        """Whether the key file seals tokens, and what holds keys answers."""
        try:
            self.context.server_keys.sealer(self.context.now())
        except StoreError as error:
            return str(error)
        return self.holders.get()


def _holders(context: Context) -> str:
    try:
        context.key_store.check()
    except KeyStoreError as error:
        log.warning("keys: %s", error)
        return "a key cannot be used now; `vouchgate doctor` says more"
    return OK


def _to0(context: Context) -> tuple[Backlog, Mapping[Circuit, int]]:
    now, stores = context.now(), context.stores
    return stores.tasks.backlog(KIND, now), stores.rv_servers.counts(now)


def _drift(
    context: Context, link: KeylimeLink
) -> Callable[[], Mapping[DriftKind, int]]:
    """Counts of differences; none where Keylime does not answer, which readyz says."""

    def look() -> Mapping[DriftKind, int]:
        try:
            return DriftDesk(context, link).look().counts()
        except KeylimeError:
            return {}

    return look


def _keylime(link: KeylimeLink) -> str:
    try:
        link.client.version()
    except KeylimeError:
        return "Keylime gives no usable answer; `vouchgate doctor` says more"
    pool = link.client.verifiers
    circuits = [one.circuit(pool.now()) for one in pool.states()]
    silent = sum(one is not VerifierCircuit.CLOSED for one in circuits)
    if silent:
        return f"{silent} of {len(circuits)} verifiers of evidence did not answer"
    return OK


def health_of(request: Request) -> Health:
    """What is looked at of the service that was asked."""
    health: Health = request.app.state.health
    return health


@router.get("/healthz")
def alive() -> AliveOut:
    """The process answers; nothing else is asked."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(request: Request) -> ReadyOut:
    """What the service needs, part by part: 503 without database or keys.

    Without Keylime it is ``degraded``, but takes requests: devices are onboarded and
    workloads taken back, while leases run out and nothing new is released.
    """
    health = health_of(request)
    checks = health.checks()
    broken = [name for name in ("database", "keys") if checks[name] != OK]
    if broken:
        raise Problem(
            503,
            "not-ready",
            "; ".join(f"{name}: {checks[name]}" for name in broken),
            remedy="Mend what is named; `vouchgate doctor` looks closer.",
            extra={"checks": checks},
        )
    whole = all(said == OK for said in checks.values())
    role = health.context.settings.role.value
    status = "ready" if whole else "degraded"
    return {"status": status, "role": role, "checks": checks}
