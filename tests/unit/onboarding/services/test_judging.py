"""What a verifier says is held against what the quote itself shows."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.keylime.client import KeylimeClient
from attestation.keylime.connections import Connections
from attestation.keylime.evidence import Evidence
from attestation.keylime.settings import KeylimeSettings
from attestation.policy import AttestationPolicy
from onboarding.services.judging import Judge, Judged, Seen
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


def judged(bench: OwnerBench, pinned: dict[int, tuple[str, ...]]) -> Judged:
    """What comes of a genuine quote of ``PCRS`` that a verifier finds valid."""
    ak, nowhere = SoftAk.new(), Path("unused")
    quote = ak.quote(PCRS, NONCE)
    evidence = Evidence(NONCE, ak.public, ak.public, *quote, {})
    with saying(VALID) as url, Connections(ssl.create_default_context()) as way:
        known = KeylimeSettings(url, url, url, nowhere, nowhere, nowhere)
        client = KeylimeClient(way, known)
        judge = Judge(bench.context, client, Seen(bench.guid, evidence, NOW))
        return judge.judge(AttestationPolicy("boot", 1, pinned))


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
