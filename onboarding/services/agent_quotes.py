"""A quote that the owner asks a pull agent for by itself, and believes nobody about.

A verifier in pull mode keeps no quote that could be judged again: its pass is a word.
This one is over a nonce of ours, by the key that was bound.

Source: Keylime's agent API 2.x, as its stock agent and its verifier speak it.
"""

import re
import secrets
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from attestation.keylime.answers import Answer
from attestation.keylime.errors import KeylimeError, KeylimeUnavailable
from attestation.keylime.results import Contact
from hw.eventlog import MAX_LOG
from onboarding.http_client import client, pieces, within

SECONDS = 30.0  # for both questions; a TPM may be slow
ANSWER_LIMIT = 4 * 1024 * 1024  # an event log comes along, in base64; no IMA list
_API = re.compile(r"2\.[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class ListFrom:
    """What is asked for of an IMA list: from entry ``first`` on, ``limit`` bytes."""

    first: int
    limit: int


@dataclass(frozen=True, slots=True)
class AgentQuote:
    """What an agent says for itself, unchecked.

    ``lines`` of its IMA list begin at entry ``first``: the one asked for, or 0.
    """

    nonce: bytes
    message: bytes = field(repr=False)  # TPMS_ATTEST
    signature: bytes = field(repr=False)  # TPMT_SIGNATURE
    pcr_blob: bytes = field(repr=False)
    boot_log: bytes = field(default=b"", repr=False)
    first: int = 0
    lines: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class AgentQuotes:
    """Asks agents; ``cert`` and ``key`` are what they know a verifier by."""

    cert: Path
    key: Path

    def ask(
        self, contact: Contact, pcrs: Collection[int], wants: ListFrom | None = None
    ) -> AgentQuote:
        """Have the agent quote those PCRs, at least, and show its IMA list after that.

        Raises:
            KeylimeUnavailable: It is not reached, or does not show its certificate.
            KeylimeError: It answers with something else.
        """
        where = f"https://{_host(contact.host)}:{contact.port}"
        http = client(self._pinned(contact), timeout=SECONDS)
        with within(SECONDS), http:
            said = _get(http, f"{where}/version", {}, ANSWER_LIMIT)
            version = said.at("supported_version").text()
            if not _API.fullmatch(version):
                raise KeylimeError(f"{where} speaks another API: {version[:20]!r}")
            nonce = secrets.token_hex(16)
            mask = hex(sum(1 << pcr for pcr in {*pcrs}))
            entry = str(0 if wants is None else wants.first)
            asked = {"nonce": nonce, "mask": mask, "partial": "1"}
            url = f"{where}/v{version}/quotes/integrity"
            limit = ANSWER_LIMIT + (0 if wants is None else wants.limit)
            found = _get(http, url, {**asked, "ima_ml_entry": entry}, limit)
            return _read(found, nonce.encode(), wants)

    def _pinned(self, contact: Contact) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # it is this very certificate, or nobody
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=contact.certificate)
            context.load_cert_chain(self.cert, self.key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise KeylimeError(
                f"no certificate to call the agent by: {error}"
            ) from error
        return context


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _get(http: httpx.Client, url: str, query: Mapping[str, str], limit: int) -> Answer:
    body = bytearray()
    try:
        with http.stream("GET", url, params=query) as answer:
            for piece in pieces(answer):
                body += piece
                if len(body) > limit:
                    raise KeylimeError(f"{url} answers with over {limit} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = f"the agent at {url} gives no answer: {type(error).__name__}: {error}"
        raise KeylimeUnavailable(said) from error
    if answer.status_code != 200:
        raise KeylimeUnavailable(f"the agent at {url} answers {answer.status_code}")
    return Answer.parse(f"agent {url}", bytes(body)).at("results")


def _read(found: Answer, nonce: bytes, wants: ListFrom | None) -> AgentQuote:
    kind, *parts = _quote_parts(found.at("quote"))
    if kind != "r" or len(parts) != 3:
        raise KeylimeError(f"{found.where} is no quote")
    octets = [Answer(f"{found.where} quote", one).octets() for one in parts]
    log = found.members().get("mb_measurement_list")
    boot = b"" if log is None else found.at("mb_measurement_list").octets()
    if len(boot) > MAX_LOG:
        raise KeylimeError(f"{found.where}: an event log of over {MAX_LOG} bytes")
    ran = (0, b"") if wants is None else _list(found, wants.first)
    return AgentQuote(nonce, octets[0], octets[1], octets[2], boot, *ran)


def _list(found: Answer, first: int) -> tuple[int, bytes]:
    """The entry that the IMA list begins at, and its lines; (0, b"") if none came."""
    if found.members().get("ima_measurement_list") is None:
        return 0, b""
    began = found.at("ima_measurement_list_entry").natural()
    if began not in (0, first):
        raise KeylimeError(f"{found.where}: an IMA list from entry {began} on")
    return began, found.at("ima_measurement_list").text().encode()


def _quote_parts(answer: Answer) -> list[str]:
    text = answer.text()
    return [text[:1], *text[1:].split(":")]
