"""What a verifier says is held against what the quote itself shows."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from attestation.appraisal import Channel
from attestation.keylime.client import KeylimeClient
from attestation.keylime.connections import Connections
from attestation.keylime.evidence import Evidence
from attestation.keylime.settings import KeylimeSettings
from attestation.policy import AttestationPolicy
from onboarding.services.appraising import Appraiser, Case
from onboarding.services.judging import Judge, Judged, Seen
from onboarding.store.appraisals import Outcome
from tests.support.databases import NewDatabase
from tests.support.liar import saying
from tests.support.owner_bench import NOW, OwnerBench, owner_bench
from tests.support.tpm_statements import SoftAk

NONCE, GOOD, OTHER = bytes(range(32)), b"\xab" * 32, b"\xcd" * 32
PCRS = {4: GOOD, 7: OTHER}
VALID = {"valid": True, "failures": []}


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases) as found:
        yield found


@contextmanager
def judging(bench: OwnerBench) -> Iterator[Judge]:
    """Who judges a genuine quote of ``PCRS``, and asks one that finds it valid."""
    ak, nowhere = SoftAk.new(), Path("unused")
    quote = ak.quote(PCRS, NONCE)
    evidence = Evidence(NONCE, ak.public, ak.public, *quote, {})
    with saying(VALID) as url, Connections(ssl.create_default_context()) as way:
        known = KeylimeSettings(url, url, url, nowhere, nowhere, nowhere)
        client = KeylimeClient(way, known)
        yield Judge(bench.context, client, Seen(bench.guid, evidence, NOW))


def judged(bench: OwnerBench, pinned: dict[int, tuple[str, ...]]) -> Judged:
    """What comes of it."""
    with judging(bench) as judge:
        return judge.judge(AttestationPolicy("boot", 1, pinned))


@pytest.mark.parametrize("expected", [True, False])
def test_what_keylime_failed_does_not_pass_though_nothing_is_seen_to_be_wrong(
    bench: OwnerBench, expected: bool
) -> None:
    """The push protocol tells that it failed, and no reason."""
    binding = bench.context.stores.bindings.get(bench.guid.raw)
    policy = AttestationPolicy("boot", 1, {4: (GOOD.hex(),)})
    with judging(bench) as judge:
        case = Case(judge.seen, binding, policy, Channel.PUSH, pass_expected=expected)
        record = Appraiser(bench.context, judge).judge(case).record
    if expected:
        assert record.outcome is Outcome.PASSED
        return
    assert (record.outcome, record.lease_expires) == (Outcome.FAILED, None)
    assert [one.kind for one in record.failures] == ["push.failed"]
    assert "see that verifier's log" in record.failures[0].message


def test_a_quote_of_what_the_policy_allows_passes(bench: OwnerBench) -> None:
    found = judged(bench, {4: (GOOD.hex(),), 7: (GOOD.hex(), OTHER.hex())})
    assert found.passed
    assert found.compared == ("pcr:sha256:4", "pcr:sha256:7")


def test_a_verifier_that_passes_another_value_is_not_believed(
    bench: OwnerBench,
) -> None:
    found = judged(bench, {4: (GOOD.hex(),), 7: (GOOD.hex(),)})
    assert (found.passed, found.valid) == (False, False)
    (failure,) = found.failures
    assert failure.type == "pcr_validation.invalid_pcr_7"
    assert failure.message == (
        f"PCR 7 holds another value than the policy allows: {OTHER.hex()}, where"
        f" {GOOD.hex()} was to be"
    )


def test_nor_one_that_passes_what_was_not_quoted(bench: OwnerBench) -> None:
    found = judged(bench, {4: (GOOD.hex(),), 8: (GOOD.hex(),)})
    (failure,) = found.failures
    assert failure.type == "pcr_validation.invalid_pcr_8"
    assert "was not quoted" in failure.message
