"""The push channel's way to Keylime: one proof, one session, of the device's own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.appraisal import Channel
from attestation.device_auth import Purpose
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.errors import KeylimeError
from attestation.keylime.push_agent import PushRefused
from attestation.keylime.stack import KeylimeStack
from attestation.passport import key_digest
from hw.errors import TpmError
from hw.public_area import PublicArea
from onboarding.services.adoption import Adoption, Reported
from onboarding.services.enrolment import enrol_push
from onboarding.services.errors import Problem
from tests.support.attester import Attester, completed, register
from tests.support.attesting import PCR
from tests.support.databases import NewDatabase
from tests.support.pushing import Pushing, outsider, pushing_device, request
from tests.support.swtpm import MakeSoftwareTpm

WRONG = "00" * 48


@pytest.fixture
def pushing(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    pusher: Attester,
    databases: NewDatabase,
) -> Iterator[Pushing]:
    pusher.tpm.extend(PCR, b"what booted")
    with pushing_device(tmp_path, keylime_stack, pusher, databases=databases) as device:
        yield device


@pytest.fixture
def other(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    other_pusher: Attester,
    databases: NewDatabase,
) -> Iterator[Pushing]:
    """Another device of another owner, in the same Keylime."""
    (tmp_path / "other").mkdir()
    where = tmp_path / "other"
    with pushing_device(where, keylime_stack, other_pusher, databases) as device:
        yield device


@pytest.fixture(scope="module")
def other_pusher(make_software_tpm: MakeSoftwareTpm) -> Iterator[Attester]:
    from hw.tpm import Tpm

    with Tpm(make_software_tpm("another device").start()) as tpm:
        tpm.extend(PCR, b"what booted")
        yield Attester(tpm, tpm.create_attestation_key("rsa"))


def refused(pushing: Pushing, proof: dict[str, object]) -> str:
    with pytest.raises(Problem) as refusal:
        pushing.complete(proof)
    return refusal.value.code


def active(pushing: Pushing) -> bool:
    """Whether the registrar holds exactly the keys that were bound."""
    entry = pushing.client.registered(pushing.agent)
    if entry is None:
        return False
    assert entry.ak_public == pushing.attester.ak.public
    assert entry.ek_public == pushing.attester.tpm.endorsement_key().public
    return True


def test_a_device_that_proved_itself_is_enrolled_with_what_it_bound(
    pushing: Pushing,
) -> None:
    offered = pushing.begin()
    assert not active(pushing)
    pushing.complete(pushing.proof(offered))
    assert active(pushing)
    assert pushing.client.status(pushing.agent) is not None


def test_a_proof_is_passed_on_once_so_that_no_second_one_drops_the_record(
    pushing: Pushing, keylime_stack: KeylimeStack
) -> None:
    proof = pushing.proof(pushing.begin())
    pushing.complete(proof)
    for again in (proof, {**proof, "auth_tag": WRONG}):
        assert refused(pushing, again) == "enrolment-refused"
        assert active(pushing)
    with outsider(keylime_stack) as keylime:  # what it is spared
        with pytest.raises(KeylimeError):
            keylime.activate(pushing.agent, WRONG)
    assert not active(pushing)


def test_another_devices_enrolment_and_tag_pass_nothing_on(
    pushing: Pushing, other: Pushing
) -> None:
    pushing.enrol()
    theirs = other.proof(other.begin())
    assert refused(pushing, theirs) == "enrolment-refused"
    assert active(pushing)
    # In its own enrolment, another's tag activates nobody, and not the other either.
    offered = pushing.begin()
    mixed = {**theirs, "ticket": offered["ticket"]}
    assert refused(pushing, mixed) in ("not-activated", "enrolment-refused")
    assert pushing.client.registered(pushing.agent) is None
    assert pushing.client.status(pushing.agent) is None
    assert pushing.client.registered(other.agent) is None
    pushing.enrol()
    assert active(pushing)


def test_another_tpm_cannot_prove_what_was_bound(
    pushing: Pushing, other_pusher: Attester
) -> None:
    offered = pushing.begin()
    with pytest.raises(TpmError):
        pushing.proof(offered, other_pusher)


@pytest.mark.parametrize(
    "change",
    [{"ticket": "x" * 40}, {"auth_tag": "00" * 47}, {"auth_tag": "ZZ" * 48}],
    ids=["made-up ticket", "short tag", "no digits"],
)
def test_what_is_no_proof_does_not_reach_the_registrar(
    pushing: Pushing, change: dict[str, object]
) -> None:
    proof = pushing.proof(pushing.begin())
    assert refused(pushing, {**proof, **change}) in ("enrolment-refused", "malformed")
    pushing.complete(proof)  # it was not used up
    assert active(pushing)


def test_an_enrolment_that_waited_too_long_is_begun_again(pushing: Pushing) -> None:
    proof = pushing.proof(pushing.begin())
    pushing.bench.clock.now += 3600
    assert refused(pushing, proof) == "enrolment-refused"
    pushing.enrol()
    assert active(pushing)


def test_the_word_of_a_device_opens_one_session_and_no_second(
    pushing: Pushing,
) -> None:
    asked = pushing.bench.request(Purpose.KEYLIME)
    requests = pushing.bench.requests
    pushing.proxy.session(requests.open(asked, Purpose.KEYLIME))
    with pytest.raises(Problem) as refusal:
        requests.open(asked, Purpose.KEYLIME)
    assert refusal.value.code == "challenge-used"


def test_a_session_passes_the_devices_own_calls_and_nobody_elses(
    pushing: Pushing, other: Pushing
) -> None:
    token, agent = pushing.session(), pushing.agent
    own = f"/v3.0/agents/{agent}/attestations"
    assert pushing.proxy.route(request("POST", own, token)).path == own
    foreign = f"/v3.0/agents/{other.agent}/attestations"
    for method, path in {
        "POST": foreign,
        "DELETE": f"/v2.6/agents/{agent}",
        "PUT": f"/v2.6/agents/{agent}/activate",
        "GET": f"{own}/latest",
    }.items():
        with pytest.raises(Problem) as refusal:
            pushing.proxy.route(request(method, path, token))
        assert refusal.value.code == "not-forwarded"
    login = json.dumps({"data": {"attributes": {"agent_id": other.agent}}}).encode()
    with pytest.raises(Problem, match="another agent"):
        pushing.send(token, "POST", "/v3.0/sessions", {}, login)


def test_a_session_that_ran_out_or_was_made_up_passes_nothing(
    pushing: Pushing, other: Pushing
) -> None:
    own = f"/v3.0/agents/{pushing.agent}/attestations"
    token = pushing.session()
    pushing.bench.clock.now += 24 * 3600
    for one in (token, token[:-8] + "AAAAAAA=", "", other.session()):
        with pytest.raises(Problem) as refusal:
            pushing.proxy.route(request("POST", own, one))
        assert refusal.value.code == "session-refused"


def test_a_device_attests_through_the_proxy(pushing: Pushing) -> None:
    pushing.enrol()
    pushing.push_agent().attest()
    assert completed(pushing.client, pushing.agent, 0).passed


def test_keys_that_somebody_registered_before_are_replaced_by_those_bound(
    pushing: Pushing, other_pusher: Attester, keylime_stack: KeylimeStack
) -> None:
    poison(keylime_stack, pushing.agent, other_pusher)
    entry = pushing.client.registered(pushing.agent)
    assert entry is not None
    assert entry.ak_public == other_pusher.ak.public
    pushing.enrol()
    assert active(pushing)


def test_a_registrar_that_is_poisoned_meanwhile_enrols_nobody(
    pushing: Pushing, other_pusher: Attester, keylime_stack: KeylimeStack
) -> None:
    proof = pushing.proof(pushing.begin())
    with outsider(keylime_stack) as keylime:
        with pytest.raises(KeylimeError):
            keylime.activate(pushing.agent, WRONG)  # drops what waits for its proof
    poison(keylime_stack, pushing.agent, other_pusher)
    assert refused(pushing, proof) == "not-activated"
    assert pushing.client.status(pushing.agent) is None
    pushing.enrol()
    assert active(pushing)


def test_a_registrar_that_is_poisoned_behind_the_activation_enrols_nobody(
    pushing: Pushing, other_pusher: Attester, keylime_stack: KeylimeStack
) -> None:
    proof = pushing.proof(pushing.begin())
    pushing.behind_activation(lambda: swap(keylime_stack, pushing.agent, other_pusher))
    assert refused(pushing, proof) == "other-keys"
    assert pushing.client.status(pushing.agent) is None


def test_a_registrar_poisoned_after_enrolment_changes_no_verdict(
    pushing: Pushing, other_pusher: Attester, keylime_stack: KeylimeStack
) -> None:
    pushing.enrol()
    swap(keylime_stack, pushing.agent, other_pusher)
    with pytest.raises(PushRefused):
        pushing.push_agent(other_pusher).attest()
    pushing.push_agent().attest()
    assert completed(pushing.client, pushing.agent, 0).passed


def test_a_stock_agent_is_adopted_with_a_key_it_can_log_in_with_only(
    pushing: Pushing, keylime_stack: KeylimeStack
) -> None:
    tpm, raw = pushing.attester.tpm, pushing.bench.guid.raw
    adoption = Adoption(pushing.bench.context, pushing.client)
    bindings = pushing.bench.context.stores.bindings
    ek = tpm.endorsement_key().public
    digest = key_digest(PublicArea.from_bytes(ek).key)
    bindings.put(replace(bindings.get(raw), ek_public=ek, ek_digest=digest), "test")
    for alg in ("ecc", "rsa"):
        pushing.client.unregister(pushing.agent)
        agent = Attester(tpm, tpm.create_attestation_key(alg))
        poison(keylime_stack, pushing.agent, agent)
        situation = pushing.bench.gate.situation(raw)
        if alg == "ecc":
            with pytest.raises(Problem, match="cannot log in"):
                adoption.bind(situation, Reported(), "test", Channel.PUSH)
    adoption.bind(situation, Reported(), "test", Channel.PUSH)
    stores = pushing.bench.context.stores
    enrol_push(stores, pushing.link, pushing.bench.gate.situation(raw))
    pushing.push_agent(agent).attest()
    assert completed(pushing.client, pushing.agent, 0).passed


def swap(stack: KeylimeStack, agent: str, thief: Attester) -> None:
    """Have an active entry dropped, and enter another TPM's in its place."""
    with outsider(stack) as keylime:
        with pytest.raises(KeylimeError):
            keylime.activate(agent, WRONG)
    poison(stack, agent, thief)


def poison(stack: KeylimeStack, agent: str, thief: Attester) -> None:
    """Enter another TPM's keys under the device's name, activated and all."""
    with outsider(stack) as keylime:
        secret = register(keylime, agent, thief)
        keylime.activate(agent, auth_tag(secret, agent))
