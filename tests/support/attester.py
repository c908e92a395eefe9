"""A TPM with an attestation key, and the way it goes with Keylime."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from attestation.keylime.client import KeylimeClient
from attestation.keylime.evidence import Evidence
from attestation.keylime.proxy import request_headers, route_for
from attestation.keylime.push_agent import PushAgent, PushRefused, Submitted
from attestation.keylime.results import PushAttestation
from attestation.keylime.tpm_policy import PcrPolicy
from hw.evidence import AttestationKey

if TYPE_CHECKING:
    from hw.tpm import Tpm

WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Attester:
    """A powered TPM with an attestation key."""

    tpm: "Tpm"
    ak: AttestationKey

    def allow(self, *pcrs: int) -> PcrPolicy:
        """Return a policy that pins ``pcrs`` to what they hold now."""
        return {n: (v,) for n, v in self.tpm.read_pcrs("sha256", pcrs).items()}

    def evidence(self, nonce: bytes, policy: PcrPolicy) -> Evidence:
        """Quote what the policy pins."""
        quote = self.tpm.quote(self.ak, nonce, "sha256", policy)
        return Evidence(
            nonce,
            self.ak.public,
            self.tpm.endorsement_key().public,
            quote.message,
            quote.signature,
            quote.pcr_blob,
            policy,
        )


class Proxied:
    """The way a device's calls take: routed as ``device``, without certificate."""

    def __init__(self, http: httpx.Client, base: str, device: str) -> None:
        self._http, self._base, self._device = http, base, device

    def __call__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, object],
    ) -> httpx.Response:
        route = route_for(method, path, self._device)
        lower = {name.lower(): value for name, value in headers.items()}
        request = self._http.build_request(
            route.method, self._base + route.path, json=body
        )
        request.headers.update(request_headers(lower))
        route.check(request.content)
        return self._http.send(request)


def register(client: KeylimeClient, agent_id: str, attester: Attester) -> bytes:
    """Register a device's keys; return the secret that its TPM unwrapped."""
    ek = attester.tpm.endorsement_key()
    blob = client.register(agent_id, ek.public, ek.certificate, attester.ak.public)
    return attester.tpm.activate_credential(
        attester.ak, blob.id_object, blob.encrypted_secret
    )


def attest(agent: PushAgent) -> Submitted:
    """Attest as soon as Keylime's pace allows it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return agent.attest()
        except PushRefused as refusal:
            if refusal.retry_after is None or time.monotonic() > deadline:
                raise
            time.sleep(refusal.retry_after)


def completed(client: KeylimeClient, agent_id: str, index: int) -> PushAttestation:
    """Wait until Keylime has judged the attestation of that index."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        latest = client.latest_attestation(agent_id)
        if latest and latest.index == index and (latest.passed or latest.failed):
            return latest
        time.sleep(0.05)
    raise AssertionError(f"attestation {index} was not judged in time")
