"""The owner service: TO2, the device API, and the gate behind it."""

import os
from collections.abc import AsyncIterator
from functools import lru_cache, partial

from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.ciphers import AEADS, EVERY
from onboarding.protocol.env import OwnedVoucher, ServiceInfoLimits, To2OwnerEnv
from onboarding.protocol.registry import TO2
from onboarding.protocol.step import Effect, TakeOwnership
from onboarding.services import (
    enrol_task,
    enrolment,
    keylime_webhook,
    reconcile,
    reconcile_round,
    to0,
)
from onboarding.services.api import (
    apikeys,
    audit,
    cohorts,
    decisions,
    deliveries,
    device_actions,
    device_settings,
    devices,
    diagnosis,
    drift,
    ek_acceptances,
    ek_refusals,
    ek_trust,
    event_stream,
    events,
    keys,
    learning,
    manifests,
    owner_keys,
    policies,
    pull,
    resale,
    runtime_policies,
    rv_servers,
    rvinfo,
    security,
    service_info,
    service_info_files,
    to2_address,
    traces,
    verifiers,
    voucher_import,
    vouchers,
    webhooks,
)
from onboarding.services.api import to0 as to0_api
from onboarding.services.api import trust as trust_api
from onboarding.services.app import Part, build
from onboarding.services.asking_rendezvous import RendezvousService
from onboarding.services.console.pages import refusal_page
from onboarding.services.console.routes import console_routers
from onboarding.services.context import Context
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.device_api.enrol import PushEnrolment
from onboarding.services.device_api.front import DeviceFront
from onboarding.services.device_api.proxy import KeylimeProxy
from onboarding.services.device_api.requests import DeviceRequests
from onboarding.services.device_api.routes import DeviceCalls, device_router
from onboarding.services.device_api.workload import WorkloadDesk
from onboarding.services.fdo_client import FdoClients
from onboarding.services.fdo_front import Arrival
from onboarding.services.gate import Gate
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.onboarding_modules import OnboardingModules
from onboarding.services.orchestrator import Orchestrator, Work
from onboarding.services.owned import OwnedVouchers
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.roots import AcceptedEks, HeldTrust, RefusedEks
from onboarding.services.serviceinfo.plans import Plans
from onboarding.services.settings import Settings, read_secret
from onboarding.services.taking import TakingOver
from onboarding.services.transport import FdoTransport
from onboarding.tls import PUBLIC, Trust
from ownership_vouchers.types import Guid

ROUTERS = (
    apikeys.router,
    audit.device_router,
    audit.router,
    cohorts.router,
    decisions.router,
    deliveries.router,
    device_actions.router,
    device_settings.router,
    devices.router,
    diagnosis.router,
    drift.router,
    ek_acceptances.router,
    ek_refusals.router,
    ek_trust.router,
    event_stream.router,
    events.router,
    keys.router,
    manifests.router,
    owner_keys.router,
    learning.router,
    policies.router,
    pull.router,
    runtime_policies.router,
    resale.router,
    rv_servers.router,
    rvinfo.router,
    security.router,
    service_info.router,
    service_info_files.router,
    to0_api.router,
    to2_address.router,
    traces.router,
    trust_api.router,
    verifiers.router,
    voucher_import.router,
    vouchers.router,
    webhooks.router,
)


def part(context: Context) -> Part:
    """Return TO2, the owner's routes, and its background work."""
    vouchers = OwnedVouchers(context)
    link = KeylimeLink.open(context)
    gate = Gate(context)
    calls = DeviceCalls(
        DeviceRequests(context, vouchers),
        EvidenceChannel(context, gate, link),
        PushEnrolment(context, gate, link),
        KeylimeProxy(context, link),
        WorkloadDesk(context, gate),
    )

    clients = FdoClients(_trust(context.settings))
    asked = RendezvousService.open(context.settings)

    async def background() -> AsyncIterator[None]:
        registering = to0.To0Work(context, vouchers, clients)
        works: dict[str, Work] = {to0.KIND: registering.run}
        if link is not None:
            works[reconcile.KIND] = reconcile.ReconcileWork(context, gate, link).run
            rounds = reconcile_round.ReconcileRound(context, link)
            works[reconcile_round.KIND] = rounds.run
            reconcile_round.begin(context.stores, context.now())
            works[enrol_task.KIND] = enrolment.EnrolWork(context, gate, link).run
        try:
            async for _ in Orchestrator(context, works).run():
                yield
        finally:
            registering.close()
            clients.close()
            if asked is not None:
                asked.close()
            if link is not None:
                link.close()

    pages = console_routers() if context.settings.console else ()
    refusal = refusal_page if context.settings.console else None
    # Tried one after the other: those that a whole fleet calls come first.
    routers = (device_router(calls), *ROUTERS, *pages)
    to2 = _to2(context, vouchers)
    hook = partial(keylime_webhook.background, context)
    front = partial(DeviceFront, calls=calls, offload=context.database.is_postgres)
    return Part((to2,), routers, (background, hook), link, asked, refusal, front)


def create_app(settings: Settings) -> FdoTransport:
    """Return the owner service as an ASGI application."""
    return build(settings, [part])


def _to2(context: Context, vouchers: OwnedVouchers) -> ProtocolRole:
    stores, required = context.stores, context.settings.ek_crls_required
    trust = HeldTrust(stores.ek_trust, stores.settings, crls_required=required)
    accepted = AcceptedEks(context.stores.ek_acceptances)
    refused = RefusedEks(context.stores.ek_refusals)
    downloads = context.settings.downloads
    modules = OnboardingModules(trust, accepted, refused, downloads, Plans(context))
    taking = TakingOver(context, vouchers)
    limits = _limits(context.settings)
    ciphers = EVERY if context.settings.to2_hmac_ciphers else AEADS

    def for_to2(guid: Guid) -> OwnedVoucher | None:
        owned = vouchers.lately(guid)
        return None if owned is None else owned.to2

    @lru_cache(maxsize=1)
    def of_second(now: int) -> To2OwnerEnv:
        return To2OwnerEnv(
            now,
            os.urandom,
            ec.generate_private_key,
            for_to2,
            lambda guid, plan: modules.of(vouchers.lately(guid), plan),
            limits,
            ciphers=ciphers,
            asymkex=context.settings.to2_asymkex,
        )

    def env(now: int, _arrival: Arrival) -> To2OwnerEnv:
        return of_second(now)

    def commit(effect: Effect, now: int, run_id: bytes) -> None:
        if isinstance(effect, TakeOwnership):
            taking.commit(effect, now, run_id)

    return ProtocolRole(TO2, context.settings.to2_seconds, env, commit, taking.failed)


def _trust(settings: Settings) -> Trust:
    """Who vouches for rendezvous servers over TLS. Raises SettingsError."""
    if settings.to0_ca is None:
        return PUBLIC
    return Trust(read_secret(settings.to0_ca))


def _limits(settings: Settings) -> ServiceInfoLimits:
    return ServiceInfoLimits(
        settings.to2_rounds,
        settings.to2_received_bytes,
        settings.to2_seconds,
        settings.to2_message_bytes,
    )
