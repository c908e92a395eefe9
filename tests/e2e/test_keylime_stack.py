"""The real registrar and verifier, asked about a real (software) TPM."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from attestation.keylime.answers import base64_text
from attestation.keylime.client import KeylimeClient
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.errors import KeylimeError
from attestation.keylime.evidence import Evidence, EvidenceMismatch
from attestation.keylime.http import admin_http, device_http, device_transport
from attestation.keylime.proxy import NotForwarded
from attestation.keylime.push_agent import PushAgent, PushRefused
from attestation.keylime.push_ports import TpmPort
from attestation.keylime.results import AgentState, VerifierMode
from attestation.keylime.stack import KeylimeStack
from attestation.keylime.tpm_policy import PcrPolicy
from hw.pcr_blob import build_pcr_blob, parse_pcr_blob
from tests.support.attester import Attester, Proxied, attest, completed, register

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytest_plugins = ["tests.support.keylime_stack"]

PINNED, DEBUG = 12, 16  # anyone can reset the debug PCR
BOOT_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def agent_id(keylime: KeylimeClient) -> Iterator[str]:
    name = str(uuid4())
    yield name
    keylime.delete(name)


@pytest.fixture
def push_agent(
    keylime_stack: KeylimeStack,
    pusher: Attester,
    agent_id: str,
) -> Iterator[PushAgent]:
    settings = keylime_stack.client_settings()
    with device_http(settings) as http:
        way = Proxied(http, settings.verifier_url, agent_id)
        yield PushAgent(way, TpmPort(pusher.tpm, pusher.ak), agent_id, BOOT_TIME)


def test_the_stack_serves_the_pinned_api_in_push_mode(keylime: KeylimeClient) -> None:
    version = keylime.version()
    assert (version.current, version.mode) == ("2.6", VerifierMode.PUSH)
    assert "3.0" in version.supported


def test_good_evidence_is_valid(keylime: KeylimeClient, attester: Attester) -> None:
    policy = attester.allow(PINNED, DEBUG)
    verdict = keylime.verify_evidence(attester.evidence(nonce(), policy))
    assert verdict.valid
    assert verdict.failures == ()


def test_an_extended_pcr_is_named(keylime: KeylimeClient, attester: Attester) -> None:
    policy = attester.allow(0, PINNED)
    attester.tpm.extend(PINNED, b"something else booted")
    verdict = keylime.verify_evidence(attester.evidence(nonce(), policy))
    assert not verdict.valid
    (failure,) = verdict.failures
    assert failure.pcr == PINNED
    now = attester.allow(PINNED)[PINNED][0]
    assert failure.message == f"PCR 12 is {now}, allowed: {policy[PINNED][0]}"


def test_a_pinned_pcr_that_is_not_quoted_fails(
    keylime: KeylimeClient,
    attester: Attester,
) -> None:
    policy = attester.allow(0, PINNED)
    evidence = attester.evidence(nonce(), attester.allow(0))
    verdict = keylime.verify_evidence(replace(evidence, pcrs=policy))
    assert not verdict.valid
    assert verdict.failures[0].message == "PCRs are missing in quote: 12"


def test_a_quote_over_another_nonce_fails(
    keylime: KeylimeClient,
    attester: Attester,
) -> None:
    evidence = attester.evidence(nonce(), attester.allow(PINNED))
    verdict = keylime.verify_evidence(replace(evidence, nonce=nonce()))
    assert not verdict.valid
    assert "nonce" in verdict.failures[0].message


def test_a_quote_by_another_key_fails(
    keylime: KeylimeClient,
    attester: Attester,
) -> None:
    evidence = attester.evidence(nonce(), attester.allow(PINNED))
    other = attester.tpm.create_attestation_key(attester.ak.alg)
    verdict = keylime.verify_evidence(replace(evidence, ak_public=other.public))
    assert not verdict.valid


def relabelled(attester: Attester, policy: PcrPolicy) -> Evidence:
    """Quote the debug PCR and say that its value is the pinned one's."""
    evidence = attester.evidence(nonce(), {DEBUG: ("00" * 32,)})
    bank, values = parse_pcr_blob(evidence.pcr_blob)
    blob = build_pcr_blob(bank, {PINNED: values[DEBUG]})
    return replace(evidence, pcr_blob=blob, pcrs=policy)


def test_one_pcr_passed_off_as_another_is_refused(
    keylime: KeylimeClient,
    attester: Attester,
) -> None:
    evidence = relabelled(attester, {PINNED: attester.allow(DEBUG)[DEBUG]})
    with pytest.raises(EvidenceMismatch, match="not those that were quoted"):
        keylime.verify_evidence(evidence)


def test_keylime_alone_would_take_one_pcr_for_another(
    keylime_stack: KeylimeStack,
    attester: Attester,
) -> None:
    """Why we refuse it. When this fails, Keylime has mended it: drop the remark."""
    policy = {PINNED: attester.allow(DEBUG)[DEBUG]}
    evidence = relabelled(attester, policy)
    honest = attester.evidence(evidence.nonce, {DEBUG: policy[PINNED]})
    body = dict(replace(honest, pcrs={DEBUG: policy[PINNED]}).request())
    data = body["data"]
    assert isinstance(data, dict)
    forged = base64_parts(evidence)
    data.update(quote=forged, tpm_policy=f'{{"{PINNED}": ["{policy[PINNED][0]}"]}}')
    settings = keylime_stack.client_settings()
    with admin_http(settings) as http:
        url = f"{settings.verifier_url}/v2.6/verify/evidence"
        answer = http.post(url, json=body).json()
    assert answer["results"]["valid"] is True


def base64_parts(evidence: Evidence) -> str:
    parts = (evidence.message, evidence.signature, evidence.pcr_blob)
    return "r" + ":".join(map(base64_text, parts))


def test_the_registrar_holds_exactly_the_bound_keys(
    keylime: KeylimeClient,
    attester: Attester,
    agent_id: str,
) -> None:
    secret = register(keylime, agent_id, attester)
    assert keylime.registered(agent_id) is None  # not before its TPM has answered
    keylime.activate(agent_id, auth_tag(secret, agent_id))
    entry = keylime.registered(agent_id)
    ek = attester.tpm.endorsement_key()
    assert entry is not None
    assert (entry.ek_public, entry.ek_certificate) == (ek.public, ek.certificate)
    assert entry.ak_public == attester.ak.public


def test_a_wrong_tag_activates_nothing(
    keylime: KeylimeClient,
    attester: Attester,
    agent_id: str,
) -> None:
    secret = register(keylime, agent_id, attester)
    with pytest.raises(KeylimeError, match="status 40"):
        keylime.activate(agent_id, auth_tag(secret, "another-device"))
    assert keylime.registered(agent_id) is None


def test_other_keys_cannot_take_over_an_id(
    keylime: KeylimeClient,
    attester: Attester,
    agent_id: str,
) -> None:
    secret = register(keylime, agent_id, attester)
    keylime.activate(agent_id, auth_tag(secret, agent_id))
    ek = attester.tpm.endorsement_key()
    other = attester.tpm.create_attestation_key(attester.ak.alg)
    with pytest.raises(KeylimeError, match="status 403"):
        keylime.register(agent_id, ek.public, ek.certificate, other.public)


def test_push_passes_then_fails_when_a_pinned_pcr_is_extended(
    keylime: KeylimeClient,
    pusher: Attester,
    push_agent: PushAgent,
) -> None:
    agent_id, policy = push_agent.agent_id, pusher.allow(PINNED, DEBUG)
    keylime.enrol(agent_id, pusher.ak.public, policy)
    assert keylime.latest_attestation(agent_id) is None

    assert attest(push_agent).pcrs == (PINNED, DEBUG)
    first = completed(keylime, agent_id, 0)
    assert first.passed
    assert state_of(keylime, agent_id) is AgentState.PASS

    pusher.tpm.extend(PINNED, b"something else booted")
    attest(push_agent)
    second = completed(keylime, agent_id, 1)
    assert second.failed
    assert state_of(keylime, agent_id) is AgentState.FAIL

    assert second.quote is not None  # asked again, Keylime says which PCR it was
    ek = pusher.tpm.endorsement_key().public
    again = Evidence.of_push(second.quote, pusher.ak.public, ek, policy)
    assert [f.pcr for f in keylime.verify_evidence(again).failures] == [PINNED]


def test_push_starts_afresh_when_enrolled_anew(
    keylime: KeylimeClient,
    pusher: Attester,
    push_agent: PushAgent,
) -> None:
    agent_id = push_agent.agent_id
    keylime.enrol(agent_id, pusher.ak.public, {PINNED: ("ff" * 32,)})
    attest(push_agent)
    assert completed(keylime, agent_id, 0).failed
    with pytest.raises(KeylimeError, match="status 409"):
        keylime.enrol(agent_id, pusher.ak.public, pusher.allow(PINNED))
    keylime.unenrol(agent_id)
    assert keylime.status(agent_id) is None
    keylime.enrol(agent_id, pusher.ak.public, pusher.allow(PINNED))
    assert state_of(keylime, agent_id) is AgentState.PENDING
    attest(push_agent)
    assert completed(keylime, agent_id, 0).passed


def test_a_device_that_is_not_enrolled_cannot_log_in(push_agent: PushAgent) -> None:
    with pytest.raises(PushRefused, match="enrolled"):
        push_agent.login()


def test_a_device_with_another_key_cannot_log_in(
    keylime: KeylimeClient,
    tpm: "Tpm",
    push_agent: PushAgent,
) -> None:
    enrolled = push_agent.port.public
    tpm.create_attestation_key("rsa")  # in place of the one before
    keylime.enrol(push_agent.agent_id, enrolled, {PINNED: ("00" * 32,)})
    with pytest.raises(PushRefused) as refusal:
        push_agent.login()
    assert refusal.value.status == 401


def test_a_device_cannot_open_a_session_for_another(push_agent: PushAgent) -> None:
    push_agent.agent_id = str(uuid4())
    with pytest.raises(NotForwarded, match="another agent"):
        push_agent.login()


def test_administration_needs_our_certificate(
    keylime_stack: KeylimeStack,
    agent_id: str,
) -> None:
    settings = keylime_stack.client_settings()
    with device_transport(settings) as way:
        outsider = KeylimeClient(way, settings)
        with pytest.raises(KeylimeError, match="status 403"):
            outsider.status(agent_id)
        with pytest.raises(KeylimeError, match="status 403"):
            outsider.registered(agent_id)


def test_what_is_not_known_is_none(keylime: KeylimeClient, agent_id: str) -> None:
    assert keylime.status(agent_id) is None
    assert keylime.registered(agent_id) is None
    assert keylime.latest_attestation(agent_id) is None


def state_of(client: KeylimeClient, agent_id: str) -> AgentState:
    status = client.status(agent_id)
    assert status is not None
    return status.state


def nonce() -> bytes:
    return secrets.token_bytes(32)
