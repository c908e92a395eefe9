"""The binding module against real TPMs, message by message."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from attestation.binding import (
    Binding,
    BindingChallenge,
    BindingEvidence,
    BindingRequest,
    qualifying_data,
)
from attestation.ek_store import EkTrust
from hw.swtpm import ek_ca_certificates
from onboarding.protocol.binding_module import BindingModule
from onboarding.protocol.modules import ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid
from tests.support.ek_authority import TpmVendor

if TYPE_CHECKING:
    from hw.tpm import Tpm

NOW = 1_800_000_000  # within the life of an EK certificate made today
GUID = Guid(bytes(range(16)))
BUDGET = 1300


@pytest.fixture(scope="module")
def trust(ek_ca: Path, tpm: "Tpm") -> EkTrust:
    """The vendor's CA; it exists once a TPM has been manufactured."""
    return EkTrust.of(map(x509.load_pem_x509_certificate, ek_ca_certificates(ek_ca)))


def bound(tpm: "Tpm", answer_of: "Tpm", trust: EkTrust) -> ModuleResult:
    """Bind the device of ``tpm``; the credential is opened by ``answer_of``."""
    dak, ak = tpm.create_device_key("P-256"), tpm.create_attestation_key("ecc")
    random = secrets.token_bytes
    ctx = ModuleContext(GUID, GUID, dak.public_key, NOW, random, {}, True, 1)
    one = BindingModule(None, trust)
    state, ((_, asked),), _ = one.produce(one.start(ctx), BUDGET, ctx)
    request = BindingRequest.from_cbor(asked)
    certified = tpm.certify(dak, ak, qualifying_data(request.nonce, ctx.guid))
    ek = tpm.endorsement_key()
    evidence = BindingEvidence(
        ek.public,
        ek.certificate,
        ak.public,
        dak.public_area,
        certified.message,
        certified.signature,
    )
    state = one.receive(state, "evidence", evidence.encode(), ctx)
    state = cbor.decode(cbor.encode(state))
    state, messages, _ = one.produce(state, BUDGET, ctx)
    secret = bytes(32)
    if messages[0][0] == "challenge":
        sealed = BindingChallenge.from_cbor(messages[0][1])
        if answer_of is tpm:
            secret = tpm.activate_credential(
                ak, sealed.id_object, sealed.encrypted_secret
            )
        state = one.receive(state, "answer", cbor.encode(secret), ctx)
        state, messages, progress = one.produce(state, BUDGET, ctx)
        assert progress is Progress.DONE
    ((name, told),) = messages
    result = one.result(state)
    assert name == "result"
    assert cbor.array(cbor.decode(told), 3)[0] is result.ok
    return result


def test_a_real_tpm_is_bound(tpm: "Tpm", trust: EkTrust) -> None:
    result = bound(tpm, tpm, trust)
    assert (result.ok, result.detail) == (True, "tpm-bound")
    document = result.facts["binding"]
    assert isinstance(document, bytes)
    assert Binding.from_cbor(document).guid == GUID


def test_a_tpm_that_does_not_open_the_credential_is_not_bound(
    tpm: "Tpm", other_tpm: "Tpm", trust: EkTrust
) -> None:
    result = bound(tpm, other_tpm, trust)
    assert result.facts["code"] == "credential-not-activated"


def test_a_tpm_of_an_unknown_vendor_is_not_bound(tpm: "Tpm") -> None:
    result = bound(tpm, tpm, TpmVendor().trust)
    assert not result.ok
