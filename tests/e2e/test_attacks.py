"""Attacks on attestation, with the real Keylime and real TPMs on both sides.

The other rows of docs/security/threats.md have their tests beside what they attack.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from attestation.decision import DenyCode
from attestation.ek_store import EkTrust
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass
from attestation.keylime.errors import KeylimeError
from attestation.keylime.stack import KeylimeStack
from hw.public_area import PublicArea
from hw.swtpm import ek_ca_certificates
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.errors import Problem
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.store.errors import NotFound
from onboarding.store.state import DeviceState
from tests.support.attesting import Attesting, attesting_device, failures, measured
from tests.support.databases import NewDatabase
from tests.support.impostor import Impostor, impostor
from tests.support.owner_bench import NOW

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytestmark = pytest.mark.sqlite_first


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    with attesting_device(tmp_path, keylime_stack, measured(tpm), databases) as device:
        yield device


@pytest.fixture
def impersonator(tmp_path: Path) -> Iterator[Impostor]:
    with impostor(tmp_path) as found:
        yield found


def state(attesting: Attesting) -> DeviceState:
    bench = attesting.bench
    device = bench.context.stores.devices.get(bench.guid.raw)
    return device.state(bench.context.now())


@pytest.mark.both
def test_a_tpm_put_in_the_place_of_the_bound_one_fails(
    attesting: Attesting, other_tpm: "Tpm"
) -> None:
    """Same software, same boot, same device key even: another TPM quotes."""
    assert attesting.attest()["verdict"] == "passed"
    attesting.attester = measured(other_tpm)
    answer = attesting.attest()
    assert answer["verdict"] == "failed"
    assert "quote.refused" in failures(answer)
    assert state(attesting) is DeviceState.FAILED


def replaced_verifier(
    attesting: Attesting, impersonator: Impostor, **trust: Path
) -> EvidenceChannel:
    """The owner's channel, with somebody else at the verifier's address."""
    context = attesting.bench.context
    settings = context.settings.model_copy(
        update={"keylime_verifier_url": impersonator.url, **trust}
    )
    link = require(KeylimeLink.open(replace(context, settings=settings)))
    return EvidenceChannel(context, attesting.bench.gate, link)


def test_a_verifier_that_is_not_ours_is_told_nothing_and_believed_nothing(
    attesting: Attesting, impersonator: Impostor
) -> None:
    attesting.channel = replaced_verifier(attesting, impersonator)
    with pytest.raises(KeylimeError, match="CERTIFICATE_VERIFY_FAILED"):
        attesting.attest()
    assert impersonator.asked == []
    bench = attesting.bench
    with pytest.raises(NotFound):
        bench.context.stores.appraisals.latest(bench.guid.raw)
    assert state(attesting) is DeviceState.ATTESTING


def test_only_its_certificate_keeps_such_a_verifier_out(
    attesting: Attesting, impersonator: Impostor
) -> None:
    """Why the test above shows something: trusted, its word would be taken."""
    attesting.channel = replaced_verifier(
        attesting, impersonator, keylime_ca=impersonator.ca
    )
    assert attesting.attest()["verdict"] == "passed"
    assert impersonator.asked == ["/v2.6/verify/evidence"]


def test_an_ek_without_a_certificate_is_attested_and_given_nothing(
    attesting: Attesting, ek_ca: Path
) -> None:
    bench = attesting.bench
    bench.assign()
    ek = attesting.attester.tpm.endorsement_key()
    key = PublicArea.from_bytes(ek.public).key
    roots = map(x509.load_pem_x509_certificate, ek_ca_certificates(ek_ca))
    trust = EkTrust.of(roots)
    klass = judge(EkEvidence(key, ek.certificate), trust, None, NOW).klass
    assert klass is EkClass.VENDOR_TRUSTED  # it has one, and does not show it
    klass = judge(EkEvidence(key, None), trust, None, NOW).klass
    bindings = bench.context.stores.bindings
    uncertified = replace(bindings.get(bench.guid.raw), ek_class=klass.value)
    bindings.put(uncertified, "test")
    assert attesting.attest()["verdict"] == "passed"
    with pytest.raises(Problem) as denial:
        bench.ask()
    assert DenyCode.EK_NOT_ACCEPTED.value in str(denial.value.extra)
