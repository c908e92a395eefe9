"""The way to Keylime: as its administrator, and on a device's behalf."""

from dataclasses import dataclass, field, replace
from typing import Self

import httpx

from attestation.keylime.client import KeylimeClient
from attestation.keylime.http import admin_transport, device_http
from attestation.keylime.pull import PullVerifier
from attestation.keylime.settings import KeylimeSettings
from onboarding.services.agent_quotes import AgentQuotes
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.kept_policies import KeptPolicies
from onboarding.services.keylime_calls import KeylimeCalls
from onboarding.services.settings import Settings


@dataclass(frozen=True, slots=True)
class KeylimeLink:
    """Both ways, open for as long as the service runs; safe in any thread."""

    client: KeylimeClient
    verifier_url: str
    device: httpx.Client = field(repr=False)
    _admin: httpx.BaseTransport = field(repr=False)
    pull: PullVerifier | None = None
    kept: KeptPolicies = field(default_factory=KeptPolicies, repr=False)
    agents: AgentQuotes | None = None  # None: a pull verifier's word is believed

    @classmethod
    def open(cls, context: Context) -> Self | None:
        """Return the link, None where no Keylime is configured."""
        settings, calls = context.settings, KeylimeCalls(context)
        known = _keylime_settings(settings)
        if known is None:
            return None
        admin = admin_transport(known, calls.ours)
        client = KeylimeClient(admin, known)
        pull = None
        if settings.keylime_pull_url is not None:
            caller = replace(known, verifier_url=settings.keylime_pull_url)
            pull = PullVerifier(KeylimeClient(admin, caller))
        agents = None
        if settings.keylime_pull_quotes:
            agents = AgentQuotes(known.cert, known.key)
        device = device_http(known, calls.forwarded)
        return cls(client, known.verifier_url, device, admin, pull, agents=agents)

    def close(self) -> None:
        """Close both."""
        self.device.close()
        self._admin.close()


def require(link: KeylimeLink | None) -> KeylimeLink:
    """Return the link.

    Raises:
        Problem: 503; no Keylime is configured.
    """
    if link is None:
        raise Problem(
            503,
            "keylime-not-configured",
            "This owner has no Keylime to ask.",
            remedy="Set the VOUCHGATE_KEYLIME_ settings, all six.",
        )
    return link


def require_pull(link: KeylimeLink | None) -> PullVerifier:
    """Return the verifier that calls agents.

    Raises:
        Problem: 503; none is configured.
    """
    pull = require(link).pull
    if pull is None:
        raise Problem(
            503,
            "pull-not-configured",
            "This owner has no verifier in pull mode.",
            remedy="Set VOUCHGATE_KEYLIME_PULL_URL.",
        )
    return pull


def _keylime_settings(settings: Settings) -> KeylimeSettings | None:
    verifier, registrar = settings.keylime_verifier_url, settings.keylime_registrar_url
    plain, ca = settings.keylime_registrar_http_url, settings.keylime_ca
    cert, key = settings.keylime_cert, settings.keylime_key
    if verifier is None or registrar is None or plain is None:
        return None
    if ca is None or cert is None or key is None:
        return None
    judges = settings.keylime_evidence_urls
    return KeylimeSettings(verifier, registrar, plain, ca, cert, key, judges)
