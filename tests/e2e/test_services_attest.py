"""The evidence channel: a real TPM, the real Keylime, and their owner's verdict."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest

from attestation.keylime.errors import KeylimeUnavailable
from attestation.keylime.results import VerifierMode
from attestation.keylime.stack import KeylimeStack
from onboarding.services.errors import Problem
from onboarding.store.errors import NotFound
from ownership_vouchers.errors import MalformedError
from tests.support.attester import Attester
from tests.support.attesting import PCR, Attesting, attesting_device, failures, measured
from tests.support.databases import NewDatabase

if TYPE_CHECKING:
    from hw.tpm import Tpm


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    with attesting_device(
        tmp_path, keylime_stack, measured(tpm), databases=databases
    ) as device:
        yield device


def test_a_good_quote_passes_and_opens_the_gate(attesting: Attesting) -> None:
    bench = attesting.bench
    bench.assign()
    answer = attesting.attest()
    assert (answer["verdict"], answer["failures"]) == ("passed", [])
    assert answer["compared"] == [f"pcr:sha256:{PCR}"]
    assert answer["lease_expires"] == bench.context.now() + 600
    stored = bench.context.stores.appraisals.latest(bench.guid.raw)
    assert stored.id == answer["appraisal"]
    assert stored.clock is not None
    assert "ticket" in bench.ask()
    counted = generate_latest(bench.context.meters.registry).decode()
    for sample in (
        'appraisals_total{channel="evidence",verdict="passed"} 1',
        'decisions_total{decision="allow"} ',
        "releases_total 1",
        'keylime_verdict_seconds_count{result="valid"} 1',
    ):
        assert f"\nvouchgate_{sample}" in counted


def test_a_nonce_is_good_for_one_quote(attesting: Attesting) -> None:
    body = attesting.evidence(attesting.asked())
    attesting.channel.attest(attesting.call(body))
    with pytest.raises(Problem, match="used before") as refused:
        attesting.channel.attest(attesting.call(body))
    assert refused.value.code == "nonce-refused"


def test_a_quote_that_was_judged_is_not_judged_again_though_its_use_is_forgotten(
    attesting: Attesting,
) -> None:
    """Whoever recorded it plays it back once the clock was ahead, and is set right."""
    body, bench = attesting.evidence(attesting.asked()), attesting.bench
    attesting.channel.attest(attesting.call(body))
    appraisals, begun = bench.context.stores.appraisals, bench.clock.now
    first = appraisals.latest(bench.guid.raw)
    bench.clock.now += 86400
    bench.context.stores.runs.prune(bench.context.now())
    bench.clock.now = begun + 5
    with pytest.raises(Problem, match="judged before") as refused:
        attesting.channel.attest(attesting.call(body))
    assert refused.value.code == "nonce-refused"
    assert appraisals.latest(bench.guid.raw) == first
    assert attesting.attest()["verdict"] == "passed"


def test_a_quote_over_another_nonce_fails(attesting: Attesting) -> None:
    old = attesting.evidence(attesting.asked())
    new = attesting.asked()
    attesting.bench.clock.now += 1
    body = {**old, "ticket": new["ticket"]}
    answer = attesting.channel.attest(attesting.call(body))
    assert answer["verdict"] == "failed"
    assert "quote.refused" in failures(answer)


def test_a_nonce_for_an_older_policy_is_refused(attesting: Attesting) -> None:
    body = attesting.evidence(attesting.asked())
    bench = attesting.bench
    bench.context.stores.assignments.assign_policy(
        bench.guid.raw, "boot", 1, "test", bench.context.now()
    )
    with pytest.raises(Problem, match="Another policy"):
        attesting.channel.attest(attesting.call(body))


def test_a_quote_by_another_key_fails(attesting: Attesting) -> None:
    tpm = attesting.attester.tpm
    ours = attesting.attester
    attesting.attester = Attester(tpm, tpm.create_attestation_key("rsa"))
    answer = attesting.attest()
    assert answer["verdict"] == "failed"
    attesting.attester = ours


def test_a_pcr_that_is_not_as_pinned_is_named_and_takes_the_workload_back(
    attesting: Attesting,
) -> None:
    bench = attesting.bench
    bench.assign()
    attesting.attest()
    bench.ask()
    attesting.attester.tpm.extend(PCR, b"something else booted")
    answer = attesting.attest()
    assert answer["verdict"] == "failed"
    assert f"PCR {PCR}" in failures(answer)
    assert answer["lease_expires"] is None
    assert "removal_order" in bench.ask()


@pytest.mark.parametrize("name", ["message", "signature", "pcr_blob"])
def test_evidence_that_cannot_be_read_fails(attesting: Attesting, name: str) -> None:
    body = attesting.evidence(attesting.asked())
    body[name] = b"\xff" * 40
    attesting.bench.clock.now += 1
    assert attesting.channel.attest(attesting.call(body))["verdict"] == "failed"


def test_evidence_without_its_parts_is_malformed(attesting: Attesting) -> None:
    body = attesting.evidence(attesting.asked())
    for name in ("message", "signature", "pcr_blob"):
        asked = attesting.asked()
        left = {**body, "ticket": asked["ticket"]}
        del left[name]
        with pytest.raises(MalformedError):
            attesting.channel.attest(attesting.call(left))


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where nobody listens: connections are refused as long as the block lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{held.getsockname()[1]}"


def test_a_verifier_that_is_down_is_left_alone_and_another_judges(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    tpm: "Tpm",
    nobody: str,
    databases: NewDatabase,
) -> None:
    alive = keylime_stack.client_settings().verifier_url
    urls = (nobody, alive)
    attester = measured(tpm)
    with attesting_device(
        tmp_path,
        keylime_stack,
        attester,
        keylime_evidence_urls=urls,
        databases=databases,
    ) as attesting:
        assert [attesting.attest()["verdict"] for _ in range(3)] == ["passed"] * 3
        pool = attesting.link.client.verifiers
        down, up = pool.states()
        assert (down.url, down.failures, down.answered) == (nobody, 1, 0)
        assert "refused" in down.error
        assert (up.url, up.failures, up.answered) == (alive, 0, 3)
        modes = attesting.link.client.modes()
        assert modes[alive] is VerifierMode.PUSH
        assert "refused" in str(modes[nobody])


def test_without_any_verifier_nothing_is_judged_and_nothing_is_stored(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    tpm: "Tpm",
    nobody: str,
    databases: NewDatabase,
) -> None:
    with attesting_device(
        tmp_path,
        keylime_stack,
        measured(tpm),
        keylime_evidence_urls=(nobody,),
        databases=databases,
    ) as attesting:
        for _ in range(2):
            with pytest.raises(KeylimeUnavailable, match="refused"):
                attesting.attest()
        bench = attesting.bench
        with pytest.raises(NotFound):
            bench.context.stores.appraisals.latest(bench.guid.raw)
