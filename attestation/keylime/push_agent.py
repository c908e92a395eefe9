"""The device's side of Keylime's push protocol, version 3: log in, then attest.

The transport is handed in, since the way leads through the owner's proxy. The key has
to be RSA-2048 with RSASSA and SHA-256: Keylime's login accepts nothing else, though its
quote check would.
Source: Keylime 7.14.3, as observed by running it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from attestation.keylime.agent_id import checked_agent_id
from attestation.keylime.answers import Answer, base64_text
from attestation.keylime.errors import KeylimeError
from attestation.keylime.proxy import JSON_API
from attestation.keylime.push_logs import PushLogs
from attestation.keylime.push_ports import AttestationPort, Reply, Transport
from hw.kernel_logs import KernelLogs

REPLY_LIMIT = 1024 * 1024
NONCE_BYTES = range(8, 65)
BANKS = ("sha256", "sha384")
ALL_PCRS = tuple(range(24))


class PushRefused(KeylimeError):
    """The verifier, or what stands before it, refused a call."""

    def __init__(self, sentence: str, status: int, retry_after: int | None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after  # seconds, if it said


@dataclass(frozen=True, slots=True)
class Submitted:
    """Evidence that was taken in. It says nothing of the verdict."""

    bank: str
    pcrs: tuple[int, ...]
    next_in: int  # seconds to wait before attesting again


@dataclass(frozen=True, slots=True)
class _Asked:
    nonce: bytes
    bank: str
    pcrs: tuple[int, ...]
    logs: tuple[Answer, ...]  # asked for besides, in this order


@dataclass(slots=True)
class PushAgent:
    """One device towards one verifier; keeps the session's token in memory only."""

    send: Transport
    port: AttestationPort
    agent_id: str
    boot_time: datetime  # with offset; the same all through one boot
    logs: KernelLogs | None = None  # None: no log is offered
    _token: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        checked_agent_id(self.agent_id)
        if self.boot_time.tzinfo is None:
            raise ValueError("boot_time needs its offset from UTC")

    def login(self) -> None:
        """Open a session by showing that the TPM holds the attestation key.

        Raises:
            PushRefused: Not enrolled, the challenge ran out, the key is not the one
                enrolled, or too many logins.
            KeylimeError: An answer that cannot be read.
        """
        self._token = None
        offer = {"agent_id": self.agent_id, "authentication_supported": [_POP]}
        body = _resource("session", offer)
        opened = self._call("POST", "/v3.0/sessions", body, {200}).at("data")
        session = opened.at("id").text()
        (asked,) = _single(opened.at("attributes", "authentication_requested"))
        nonce = _nonce(asked.at("chosen_parameters", "challenge"))
        proof = self.port.certify(nonce)
        data = {
            "message": base64_text(proof.message),
            "signature": base64_text(proof.signature),
        }
        attributes = {
            "agent_id": self.agent_id,
            "authentication_provided": [{**_POP, "data": data}],
        }
        body = _resource("session", attributes, session)
        path = f"/v3.0/sessions/{checked_agent_id(session)}"
        closed = self._call("PATCH", path, body, {200}).at("data", "attributes")
        # Keylime refuses some logins with status 200.
        if closed.at("evaluation").text() != "pass":
            raise PushRefused("login refused: enrolled, and in time?", 200, None)
        self._token = closed.at("token").text()

    def attest(self) -> Submitted:
        """Send one attestation, logging in first if there is no session.

        Raises:
            PushRefused: With status 429 if it is too early; ``retry_after`` then says
                for how long.
            KeylimeError: An answer that cannot be read, or a request for more than
                quote and logs.
        """
        if self._token is None:
            self.login()
        try:
            return self._attest()
        except PushRefused as refusal:
            if refusal.status != 401:
                raise
        self.login()  # the token ran out
        return self._attest()

    def _attest(self) -> Submitted:
        base = f"/v3.0/agents/{self.agent_id}/attestations"
        body = _resource("attestation", self._capabilities())
        created = self._call("POST", base, body, {201})
        asked = _asked(created.at("data", "attributes", "evidence_requested"))
        quote = self.port.quote(asked.nonce, asked.bank, asked.pcrs)
        data = {
            "message": base64_text(quote.message),
            "signature": base64_text(quote.signature),
            "subject_data": base64_text(quote.pcr_blob),
        }
        logs = PushLogs(self.logs).sent(asked.logs)
        collected = {"evidence_collected": [{**_QUOTE, "data": data}, *logs]}
        body = _resource("attestation", collected)
        taken = self._call("PATCH", f"{base}/latest", body, {202})
        wait = taken.at("meta", "seconds_to_next_attestation").natural()
        return Submitted(asked.bank, asked.pcrs, wait)

    def _capabilities(self) -> dict[str, object]:
        key = {
            "key_class": "asymmetric",
            "key_algorithm": "rsa",
            "key_size": 2048,
            "server_identifier": "ak",
            "local_identifier": base64_text(self.port.name),
            "allowable_hash_algorithms": ["sha256"],
            "allowable_signature_schemes": ["rsassa"],
            "public": base64_text(self.port.public),
        }
        quote = {
            "component_version": "2.0",
            "hash_algorithms": list(BANKS),
            "available_subjects": {bank: list(ALL_PCRS) for bank in BANKS},
            "signature_schemes": ["rsassa"],
            "certification_keys": [key],
        }
        logs = PushLogs(self.logs).offered()
        return {
            "evidence_supported": [{**_QUOTE, "capabilities": quote}, *logs],
            "system_info": {"boot_time": self.boot_time.isoformat()},
        }

    def _call(
        self, method: str, path: str, body: Mapping[str, object], accepted: set[int]
    ) -> Answer:
        headers = {"Content-Type": JSON_API, "Accept": JSON_API}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        reply = self.send(method, path, headers, body)
        what = f"{method} {path}"
        if len(reply.content) > REPLY_LIMIT:
            raise KeylimeError(f"{what}: the answer is longer than {REPLY_LIMIT}")
        if reply.status_code not in accepted:
            words = reply.content[:300].decode(errors="replace")
            sentence = f"{what}: status {reply.status_code}: {words}"
            raise PushRefused(sentence, reply.status_code, _retry_after(reply))
        return Answer.parse(what, reply.content)


_POP = {"authentication_class": "pop", "authentication_type": "tpm_pop"}
_QUOTE = {"evidence_class": "certification", "evidence_type": "tpm_quote"}
_LOGS: tuple[list[str], ...] = ([], ["ima_log"], ["uefi_log"], ["uefi_log", "ima_log"])


def _resource(
    kind: str, attributes: Mapping[str, object], identity: str | None = None
) -> dict[str, object]:
    named = {} if identity is None else {"id": identity}
    return {"data": {"type": kind, **named, "attributes": attributes}}


def _asked(requested: Answer) -> _Asked:
    """Read what is to be quoted. A restricted key signs nothing but what it quotes."""
    items = tuple(requested.items(8))
    kinds = [one.at("evidence_type").text() for one in items]
    if kinds[:1] != ["tpm_quote"] or kinds[1:] not in _LOGS:
        raise KeylimeError(f"{requested.where}: asks for other than quote and logs")
    item, *logs = items
    chosen = item.at("chosen_parameters")
    bank = chosen.at("hash_algorithm").text()
    if bank not in BANKS:
        raise KeylimeError(f"{chosen.where}: asks for the bank {bank!r}")
    pcrs = chosen.at("selected_subjects", bank).items(len(ALL_PCRS))
    numbers = tuple(pcr.natural() for pcr in pcrs)
    if not numbers or not set(numbers) <= set(ALL_PCRS):
        raise KeylimeError(f"{chosen.where}: asks for no PCRs, or ones not there")
    return _Asked(_nonce(chosen.at("challenge")), bank, numbers, tuple(logs))


def _single(answer: Answer) -> tuple[Answer]:
    elements = tuple(answer.items(8))
    if len(elements) != 1:
        raise KeylimeError(f"{answer.where}: {len(elements)} elements, not one")
    return (elements[0],)


def _nonce(answer: Answer) -> bytes:
    nonce = answer.octets()
    if len(nonce) not in NONCE_BYTES:
        raise KeylimeError(f"{answer.where}: {len(nonce)} octets make no nonce")
    return nonce


def _retry_after(reply: Reply) -> int | None:
    value = reply.headers.get("retry-after", "")
    return (
        int(value) if value.isascii() and value.isdigit() and len(value) < 7 else None
    )
