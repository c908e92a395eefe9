"""The evidence channel: a real TPM, the real Keylime, and their owner's verdict."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attestation.device_auth import Purpose
from attestation.keylime.stack import KeylimeStack
from attestation.policy import AttestationPolicy
from onboarding.services import rows
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.device_api.requests import DeviceCall
from onboarding.services.errors import Problem
from onboarding.services.keylime_link import KeylimeLink
from onboarding.store.appraisals import Outcome
from ownership_vouchers.errors import MalformedError
from tests.support.attester import Attester
from tests.support.owner_bench import NOW, OwnerBench, binding_of, owner_bench

if TYPE_CHECKING:
    from hw.tpm import Tpm

PCR = 8


@dataclass
class Attesting:
    """A device with a TPM in front of its owner's evidence channel."""

    bench: OwnerBench
    channel: EvidenceChannel
    attester: Attester

    def asked(self) -> dict[str, object]:
        return self.channel.challenge(self.bench.call(Purpose.ATTEST))

    def evidence(self, asked: dict[str, object]) -> dict[str, object]:
        nonce, pcrs = asked["nonce"], asked["pcrs"]
        assert isinstance(nonce, bytes)
        assert isinstance(pcrs, list)
        attester = self.attester
        quote = attester.tpm.quote(attester.ak, nonce, "sha256", pcrs)
        return {
            "ticket": asked["ticket"],
            "message": quote.message,
            "signature": quote.signature,
            "pcr_blob": quote.pcr_blob,
        }

    def call(self, body: dict[str, object]) -> DeviceCall:
        return self.bench.call(Purpose.ATTEST, body)

    def attest(self) -> dict[str, object]:
        """One whole round, a second after the last."""
        self.bench.clock.now += 1
        return self.channel.attest(self.call(self.evidence(self.asked())))


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm"
) -> Iterator[Attesting]:
    where = keylime_stack.client_settings()
    settings: dict[str, Any] = {
        "keylime_verifier_url": where.verifier_url,
        "keylime_registrar_url": where.registrar_url,
        "keylime_registrar_http_url": where.registrar_http_url,
        "keylime_ca": where.ca,
        "keylime_cert": where.cert,
        "keylime_key": where.key,
    }
    attester = Attester(tpm, tpm.create_attestation_key("ecc"))
    tpm.extend(PCR, b"what booted")  # a PCR of zeroes would prove nothing
    with owner_bench(tmp_path, **settings) as bench:
        link = KeylimeLink.open(bench.context.settings)
        assert link is not None
        record = replace(
            binding_of(bench.guid.raw),
            ak_public=attester.ak.public,
            ek_public=tpm.endorsement_key().public,
        )
        bench.context.stores.bindings.put(record, "test")
        _hold_to(bench, attester.allow(PCR))
        channel = EvidenceChannel(bench.context, bench.gate, link)
        yield Attesting(bench, channel, attester)
        link.close()


def _hold_to(bench: OwnerBench, pcrs: object) -> None:
    """The newest version of a policy that pins what the TPM holds now."""
    stores, name = bench.context.stores, "golden"
    policy = AttestationPolicy(name, 1, dict(pcrs), lease_seconds=600)  # type: ignore[call-overload]
    stores.policies.add(rows.policy_record(policy, "test", NOW))
    stores.assignments.assign_policy(bench.guid.raw, name, 1, "test", NOW)


def failures(answer: dict[str, object]) -> str:
    return repr(answer["failures"])


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


def test_a_nonce_is_good_for_one_quote(attesting: Attesting) -> None:
    body = attesting.evidence(attesting.asked())
    attesting.channel.attest(attesting.call(body))
    with pytest.raises(Problem, match="used before") as refused:
        attesting.channel.attest(attesting.call(body))
    assert refused.value.code == "nonce-refused"


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


def test_a_tpm_that_counts_fewer_resets_than_before_fails(
    attesting: Attesting,
) -> None:
    assert attesting.attest()["verdict"] == "passed"
    bench = attesting.bench
    stores = bench.context.stores
    last = stores.appraisals.latest(bench.guid.raw, Outcome.PASSED)
    bench.clock.now += 1
    ahead = (last.reset_count or 0) + 5
    later = replace(last, id="later", at=bench.context.now(), reset_count=ahead)
    stores.appraisals.add(later, "test")
    answer = attesting.attest()
    assert answer["verdict"] == "failed"
    assert "tpm-resets-went-back" in failures(answer)
    # What was put back does not become the new measure.
    assert attesting.attest()["verdict"] == "failed"


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
