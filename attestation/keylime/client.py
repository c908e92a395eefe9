"""Vouchgate's side of Keylime's registrar and verifier, as their administrator.

Each method asks once. There is no retry here, and no answer is ever made up: whatever
cannot be read, or is longer than its bound, raises KeylimeError with what was asked.
Source: Keylime 7.14.3, API version 2.6, as observed by running it.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing

import httpx

from attestation.keylime.agent_id import checked_agent_id
from attestation.keylime.answers import Answer, base64_text
from attestation.keylime.credential_blob import CredentialBlob
from attestation.keylime.errors import KeylimeError
from attestation.keylime.evidence import Evidence
from attestation.keylime.exchange import (
    bounded,
    refused,
    request,
    too_long,
    unavailable,
)
from attestation.keylime.factory_identity import RegisteredIdentity
from attestation.keylime.held import NO_LOGS, HeldTo, enrolment_body
from attestation.keylime.http import READ_SECONDS
from attestation.keylime.readers import (
    read_attestation,
    read_failure,
    read_registered,
    read_status,
)
from attestation.keylime.results import (
    AgentStatus,
    EvidenceVerdict,
    KeylimeVersion,
    PushAttestation,
    RegisteredAgent,
    VerifierMode,
)
from attestation.keylime.settings import KeylimeSettings
from attestation.keylime.tpm_policy import PcrPolicy
from attestation.keylime.verifiers import VerifierPool
from attestation.plain_answer import pieces

ANSWER_LIMIT = 1024 * 1024
PUSH_ANSWER_LIMIT = 32 * 1024 * 1024  # an attestation brings its logs
FAILURE_LIMIT = 10_000
LIST_SECONDS = 180.0  # a verifier says nothing before its whole list is made
SLOWEST = 256 * 1024  # bytes of an IMA list that a busy verifier judges in a second
MODES = {410: VerifierMode.PUSH, 200: VerifierMode.PULL}


class KeylimeClient:
    """Calls to one registrar and one verifier, and to those that judge evidence."""

    def __init__(self, way: httpx.BaseTransport, settings: KeylimeSettings) -> None:
        """Go by ``way``, an ``admin_transport`` of the same settings; caller closes."""
        self._way = way
        self._registrar = settings.registrar_url
        self._verifier = settings.verifier_url
        self.verifiers = VerifierPool(settings.evidence_urls or (self._verifier,))

    def version(self) -> KeylimeVersion:
        """Return the API versions served and the verifier's mode."""
        body = self._ask("GET", f"{self._registrar}/version", {200})[1]
        results = Answer.parse("registrar version", body).at("results")
        supported = results.at("supported_versions").items()
        status, _ = self._ask("GET", f"{self._verifier}/version", MODES.keys())
        return KeylimeVersion(
            results.at("current_version").text(),
            tuple(version.text() for version in supported),
            MODES[status],
        )

    def modes(self) -> Mapping[str, VerifierMode | KeylimeError]:
        """Ask each verifier that judges evidence for its mode, or what keeps it."""
        return {one.url: self._mode(one.url) for one in self.verifiers.states()}

    def _mode(self, verifier: str) -> VerifierMode | KeylimeError:
        try:
            return MODES[self._ask("GET", f"{verifier}/version", MODES.keys())[0]]
        except KeylimeError as error:
            return error

    def verify_evidence(self, evidence: Evidence) -> EvidenceVerdict:
        """Have one of the verifiers judge one piece of evidence, statelessly.

        Raises:
            EvidenceMismatch: Keylime was not asked; see Evidence.request.
            KeylimeError: No verdict.
        """
        return self.verifiers.ask(lambda verifier: self._verify(verifier, evidence))

    def _verify(self, verifier: str, evidence: Evidence) -> EvidenceVerdict:
        url = f"{verifier}/v2.6/verify/evidence"
        # A valid verdict echoes the evidence, in JSON.
        limit = ANSWER_LIMIT + 3 * evidence.size
        seconds = READ_SECONDS + evidence.size / SLOWEST
        _, body = self._ask("POST", url, {200}, evidence.request(), limit, seconds)
        results = Answer.parse("verify evidence", body).at("results")
        valid = results.at("valid").boolean()
        failures = tuple(map(read_failure, results.at("failures").items(FAILURE_LIMIT)))
        if valid is bool(failures):
            raise KeylimeError("verify evidence: the verdict contradicts its reasons")
        return EvidenceVerdict.of(failures, listed=evidence.ima_log != "")

    def register(
        self,
        agent_id: str,
        ek_public: bytes,
        ek_cert: bytes | None,
        ak_public: bytes,
        identity: RegisteredIdentity | None = None,
    ) -> CredentialBlob:
        """Enter a device in the registrar; it counts only after ``activate``.

        Args:
            agent_id: The device's GUID.
            ek_public: TPM2B_PUBLIC. Keylime judges no EK: that is done before.
            ek_cert: DER, if the EK has one.
            ak_public: TPM2B_PUBLIC.
            identity: IAK and IDevID, which the registrar judges by a store of its own.

        Raises:
            KeylimeError: Also when the id is taken by other keys: delete it first.
        """
        certificate = base64_text(ek_cert) if ek_cert else None
        keys = {"ekcert": certificate, "ek_tpm": base64_text(ek_public)}
        keys["aik_tpm"] = base64_text(ak_public)
        factory = {} if identity is None else identity.members()
        body = {**keys, **factory, "ip": None, "port": None, "mtls_cert": None}
        _, answer = self._ask("POST", self._registration(agent_id), {200}, body)
        blob = Answer.parse("register", answer).at("results", "blob")
        return CredentialBlob.parse(blob.octets())

    def activate(self, agent_id: str, auth_tag: str) -> None:
        """Show the registrar that the device unwrapped its secret.

        A wrong tag makes Keylime drop the entry, an active one too: so only pass on
        what the device itself, authenticated, has sent.
        """
        url = f"{self._registration(agent_id)}/activate"
        self._ask("PUT", url, {200}, {"auth_tag": auth_tag})

    def registered(self, agent_id: str) -> RegisteredAgent | None:
        """Return the registrar's active entry; None if there is none."""
        status, body = self._ask("GET", self._registration(agent_id), {200, 404})
        if status == 404:
            return None
        return read_registered(Answer.parse("registered agent", body).at("results"))

    def enrol(
        self,
        agent_id: str,
        ak_public: bytes,
        tpm_policy: PcrPolicy,
        held: HeldTo = NO_LOGS,
    ) -> None:
        """Have the verifier accept push attestations of a device.

        The verifier never asks the registrar: ``ak_public`` is what it will trust. The
        runtime policy that ``held`` names has to be stored there.

        Raises:
            KeylimeError: Also when it is enrolled already: ``unenrol`` first, which is
                the only way to change a policy and to clear a FAIL.
        """
        body = enrolment_body(ak_public, tpm_policy, held)
        body |= {"supported_version": "3.0"}
        self._ask("POST", self._enrolment(agent_id), {200}, body)

    def unenrol(self, agent_id: str) -> None:
        """Remove a device from the verifier; harmless if it is not there."""
        self._ask("DELETE", self._enrolment(agent_id), {200, 202, 404})

    def delete(self, agent_id: str) -> None:
        """Remove a device from verifier and registrar; harmless if not there."""
        self.unenrol(agent_id)
        self.unregister(agent_id)

    def unregister(self, agent_id: str) -> None:
        """Remove a device from the registrar; harmless if it is not there."""
        self._ask("DELETE", self._registration(agent_id), {200, 404})

    def verifier(
        self,
        method: str,
        path: str,
        accepted: Collection[int] = (200,),
        body: Mapping[str, object] | None = None,
        limit: int = ANSWER_LIMIT,
    ) -> tuple[int, bytes]:
        """Make another call of the verifier; return status and body."""
        return self._ask(method, self._verifier + path, accepted, body, limit)

    def long_answer(self, path: str, limit: int) -> Iterator[bytes]:
        """Yield what the verifier answers to a GET, piece by piece.

        Raises:
            KeylimeError: While it is iterated, too: there is more than ``limit``, or it
                was cut off, so what came before counts for nothing.
        """
        what, taken = f"GET {self._verifier}{path}", 0
        try:
            asked = request("GET", self._verifier + path, None, LIST_SECONDS)
            with closing(self._way.handle_request(asked)) as response:
                if response.status_code != 200:
                    raise refused(what, response.status_code)
                for chunk in pieces(response):
                    taken += len(chunk)
                    if taken > limit:
                        raise too_long(what, limit)
                    yield chunk
        except httpx.HTTPError as error:
            raise unavailable(what, error) from error

    def list_registrar(self, path: str, limit: int) -> bytes:
        """Read one of the registrar's lists, of at most ``limit`` bytes."""
        return self._ask("GET", self._registrar + path, {200}, limit=limit)[1]

    def status(self, agent_id: str) -> AgentStatus | None:
        """Return the verifier's entry of a device; None if it is not enrolled."""
        status, body = self._ask("GET", self._enrolment(agent_id), {200, 404})
        if status == 404:
            return None
        return read_status(Answer.parse("agent status", body).at("results"))

    def latest_attestation(self, agent_id: str) -> PushAttestation | None:
        """Return a device's newest push attestation; None if there is none."""
        agent = checked_agent_id(agent_id)
        url = f"{self._verifier}/v3.0/agents/{agent}/attestations/latest"
        # Keylime answers this GET with 201.
        status, body = self._ask("GET", url, {200, 201, 404}, limit=PUSH_ANSWER_LIMIT)
        if status == 404:
            return None
        return read_attestation(Answer.parse("latest attestation", body).at("data"))

    def _registration(self, agent_id: str) -> str:
        return f"{self._registrar}/v2.6/agents/{checked_agent_id(agent_id)}"

    def _enrolment(self, agent_id: str) -> str:
        return f"{self._verifier}/v2.6/agents/{checked_agent_id(agent_id)}"

    def _ask(
        self,
        method: str,
        url: str,
        accepted: Collection[int],
        body: Mapping[str, object] | None = None,
        limit: int = ANSWER_LIMIT,
        seconds: float = READ_SECONDS,
    ) -> tuple[int, bytes]:
        """Return status and body of one call whose status is among ``accepted``."""
        what = f"{method} {url}"
        try:
            asked = request(method, url, body, seconds)
            with closing(self._way.handle_request(asked)) as response:
                answer = bounded(what, response, limit)
        except httpx.HTTPError as error:
            raise unavailable(what, error) from error
        if response.status_code not in accepted:
            raise refused(what, response.status_code, answer)
        return response.status_code, answer
