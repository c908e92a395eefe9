"""From Keylime's answers to values; each raises KeylimeError on any other shape."""

import json
import re
from enum import StrEnum
from typing import TypeVar

from attestation.keylime.answers import Answer
from attestation.keylime.errors import KeylimeError
from attestation.keylime.held import read_policy, read_second
from attestation.keylime.results import (
    AgentState,
    AgentStatus,
    Contact,
    Evaluation,
    Failure,
    PullStatus,
    PushAttestation,
    PushedList,
    QuoteParts,
    RegisteredAgent,
    Stage,
)

Word = TypeVar("Word", bound=StrEnum)

STOPPED = frozenset({7, 8, 9, 10})  # failed, terminated, invalid quote, tenant failed
MESSAGE_LIMIT = 500  # characters
_INDEX_LINK = re.compile(r"/v?3(?:\.0)?/agents/[^/]+/attestations/(\d{1,9})")


def read_failure(answer: Answer) -> Failure:
    """Read one element of ``failures``."""
    type_, context = answer.at("type").text(), answer.at("context").value
    text = json.dumps(context, sort_keys=True)
    failure = Failure(type_, "", text)
    return Failure(type_, _sentence(failure, context)[:MESSAGE_LIMIT], text)


def _sentence(failure: Failure, context: object) -> str:
    match context:
        case {"got": str(got), "expected": expected} if failure.pcr is not None:
            allowed = expected if isinstance(expected, list) else [expected]
            logged = failure.type.startswith("measured_boot.")
            rule = "the event log gives" if logged else "allowed:"
            return f"PCR {failure.pcr} is {got}, {rule} {', '.join(map(str, allowed))}"
        case {"context": str(what), "data": list(data)}:
            return f"{what}: {', '.join(map(str, data))}"
        case {"message": str(message), "error": str(error)}:
            return f"{message}: {error}"
        case {"message": str(message)} | str(message):
            return message
    return failure.type


def read_registered(answer: Answer) -> RegisteredAgent:
    """Read the registrar's entry."""
    certificate = answer.at("ekcert")
    return RegisteredAgent(
        answer.at("agent_id").text(),
        answer.at("ek_tpm").octets(),
        certificate.octets() if certificate.value else None,
        answer.at("aik_tpm").octets(),
        answer.at("regcount").natural(),
        _contact(answer),
    )


def _contact(answer: Answer) -> Contact | None:
    said = answer.members()
    if not all(said.get(name) for name in ("ip", "port", "mtls_cert")):
        return None
    host, port = answer.at("ip").text(), answer.at("port").natural()
    if not 0 < port <= 65535 or len(host) > 255:
        raise KeylimeError(f"{answer.where}: no address that could be called")
    return Contact(host, port, answer.at("mtls_cert").text())


def read_pull_status(answer: Answer) -> PullStatus:
    """Read the verifier's entry of an agent that it calls."""
    event = answer.at("last_event_id")
    return PullStatus(
        answer.at("operational_state").natural() in STOPPED,
        answer.at("attestation_count").natural(),
        answer.at("last_received_quote").moment(),
        answer.at("last_successful_attestation").moment(),
        answer.at("tpm_policy").text(),
        event.text()[:200] if event.value else "",
        read_policy(answer.at("meta_data")),
        read_second(answer.at("meta_data")),
        answer.members().get("has_runtime_policy") == 1,
        answer.members().get("has_mb_refstate") == 1,
    )


def read_status(answer: Answer) -> AgentStatus:
    """Read the verifier's entry."""
    return AgentStatus(
        _word(AgentState, answer.at("attestation_status")),
        answer.at("attestation_count").natural(),
        answer.at("last_received_quote").moment(),
        answer.at("last_successful_attestation").moment(),
        answer.at("tpm_policy").text(),
        read_policy(answer.at("meta_data")),
        read_second(answer.at("meta_data")),
        answer.members().get("has_runtime_policy") == 1,
        answer.members().get("has_mb_refstate") == 1,
    )


def read_attestation(answer: Answer) -> PushAttestation:
    """Read one attestation resource of API version 3."""
    attributes = answer.at("attributes")
    members = attributes.members()
    stage = _word(Stage, attributes.at("stage"))
    received = None
    if "evidence_received_at" in members:
        received = attributes.at("evidence_received_at").iso_moment()
    evaluation = _word(Evaluation, attributes.at("evaluation"))
    index = _index(answer)
    if stage is Stage.AWAITING:
        return PushAttestation(index, stage, evaluation, received, None)
    quote, listed = _quote(attributes), _listed(attributes)
    log = _event_log(attributes)
    return PushAttestation(index, stage, evaluation, received, quote, listed, log)


def _listed(attributes: Answer) -> PushedList | None:
    lists = _evidence(attributes, "ima_log")
    if not lists:
        return None
    first = lists[0].at("chosen_parameters", "starting_offset")
    entries = lists[0].at("data", "entries")
    return PushedList(first.natural(), entries.text() if entries.value else "")


def _event_log(attributes: Answer) -> bytes:
    logs = _evidence(attributes, "uefi_log")
    entries = logs[0].at("data", "entries") if logs else None
    return entries.octets() if entries is not None and entries.value else b""


def _evidence(attributes: Answer, kind: str) -> list[Answer]:
    items = attributes.at("evidence").items(8)
    return [one for one in items if one.at("evidence_type").value == kind]


def _quote(attributes: Answer) -> QuoteParts:
    quotes = _evidence(attributes, "tpm_quote")
    if len(quotes) != 1:
        raise KeylimeError(f"{attributes.where}: {len(quotes)} quotes, not one")
    chosen, data = quotes[0].at("chosen_parameters"), quotes[0].at("data")
    return QuoteParts(
        chosen.at("challenge").octets(),
        chosen.at("hash_algorithm").text(),
        data.at("message").octets(),
        data.at("signature").octets(),
        data.at("subject_data").octets(),
    )


def _index(answer: Answer) -> int:
    """Only the resource's link to itself says which one it is."""
    link = answer.at("links", "self")
    match = _INDEX_LINK.fullmatch(link.text())
    if match is None:
        raise KeylimeError(f"{link.where}: not a link to an attestation")
    return int(match[1])


def _word(words: type[Word], answer: Answer) -> Word:
    try:
        return words(answer.text())
    except ValueError as error:
        raise KeylimeError(f"{answer.where}: unknown word {answer.text()!r}") from error
