"""The binding module: who says what when, and what comes of a refusal."""

import secrets
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import Certificate

from attestation.binding import (
    BindingEvidence,
    BindingRequest,
    qualifying_data,
)
from attestation.ek_store import EkTrust
from hw.structures import PublicArea, TpmaObject
from onboarding.protocol.binding_module import BindingModule
from onboarding.protocol.errors import RequiredModuleFailed
from onboarding.protocol.modules import Message, ModuleContext, Progress
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid
from tests.support.ek_authority import NOW, RSA_EK_EXTENSIONS, TpmVendor
from tests.support.fdo_roles import KeepingModule, Roles
from tests.support.refusals import code_of
from tests.support.supply_chain import SupplyChain
from tests.support.tpm_statements import (
    UNEXPORTABLE,
    SoftAk,
    ecc_public,
    rsa_ek,
)

NAME = "org.vouchgate.binding"
VENDOR = TpmVendor()
EK_KEY = rsa.generate_private_key(65537, 2048).public_key()  # TEST KEY
CHAIN = SupplyChain().make_device().sell_to("owner")
ROLES = Roles(CHAIN)
BUDGET = 1300


def context(device_key: VerifyKey, guid: Guid = CHAIN.guid) -> ModuleContext:
    return ModuleContext(guid, guid, device_key, NOW, secrets.token_bytes, {}, True, 1)


def module(*roots: Certificate, required: bool = True) -> BindingModule:
    trust = EkTrust.of(roots) if roots else VENDOR.trust
    return BindingModule(None, trust, required=required)


class SoftDevice:
    """A device whose TPM is made up: its evidence holds, its answer does not."""

    def __init__(self, device_key: VerifyKey, guid: Guid) -> None:
        self.ek = EK_KEY
        self.ak = SoftAk.new()
        self.guid = guid
        assert isinstance(device_key, ec.EllipticCurvePublicKey)
        self.dak = ecc_public(device_key, UNEXPORTABLE | TpmaObject.SIGN)

    def evidence(self, request: BindingRequest) -> BindingEvidence:
        name = PublicArea.from_bytes(self.dak).name
        nonce = qualifying_data(request.nonce, self.guid)
        return BindingEvidence(
            rsa_ek(self.ek),
            VENDOR.issuer.issue_ek(self.ek, RSA_EK_EXTENSIONS),
            self.ak.public,
            self.dak,
            *self.ak.certify(name, nonce),
        )

    def answer(self, message: str, value: bytes) -> list[Message]:
        if message == "request":
            found = self.evidence(BindingRequest.from_cbor(value))
            return [("evidence", found.encode())]
        if message == "challenge":
            return [("answer", cbor.encode(secrets.token_bytes(32)))]
        return []


def device(guid: Guid = CHAIN.guid) -> KeepingModule:
    made = SoftDevice(CHAIN.device_signer.public_key, guid)
    return KeepingModule(NAME, made.answer)


def test_a_device_that_cannot_open_the_credential_is_refused_in_full() -> None:
    pair = ROLES.to2(module(), device={"modules": (device(),)})
    with pytest.raises(RequiredModuleFailed) as failed:
        pair.run()
    (result,) = failed.value.results
    assert (result.name, result.ok) == (NAME, False)
    assert result.facts["code"] == "credential-not-activated"
    assert result.facts["remedy"]
    assert pair.effects == []


def test_what_an_unrequired_binding_lacked_is_told_with_the_ownership() -> None:
    bound = device()
    pair = ROLES.to2(module(required=False), device={"modules": (bound,)})
    pair.run()
    (effect,) = pair.effects
    (result,) = effect.results  # type: ignore[union-attr]
    assert result.facts["code"] == "credential-not-activated"
    told, value = bound.received[-1]
    assert told == "result"
    assert cbor.decode(value) == [False, "", "credential-not-activated"]


def test_evidence_made_under_another_guid_is_refused() -> None:
    other = device(Guid(bytes(16)))
    pair = ROLES.to2(module(), device={"modules": (other,)})
    with pytest.raises(RequiredModuleFailed) as failed:
        pair.run()
    assert failed.value.results[0].facts["code"] == "device-key-not-certified"


def test_the_challenge_is_cut_for_a_device_that_takes_little() -> None:
    small = device()
    env = {"modules": (small,), "max_service_info": 256}
    with pytest.raises(RequiredModuleFailed):
        ROLES.to2(module(), device=env).run()
    assert [what for what, _ in small.received] == ["request", "challenge"]


def test_messages_out_of_turn_are_refused() -> None:
    one, ctx = module(), context(CHAIN.device_signer.public_key)
    start = one.start(ctx)
    asked, _, _ = one.produce(start, BUDGET, ctx)
    for state in (start, asked):
        for message in ("answer", "other"):
            assert code_of(partial(one.receive, state, message, b"", ctx)) == 101
    assert code_of(partial(one.receive, start, "evidence", b"", ctx)) == 101


def test_unreadable_evidence_is_a_refusal_not_a_crash() -> None:
    one, ctx = module(), context(CHAIN.device_signer.public_key)
    asked, _, _ = one.produce(one.start(ctx), BUDGET, ctx)
    state = one.receive(asked, "evidence", b"\xff", ctx)
    assert one.produce(state, BUDGET, ctx)[2] is Progress.DONE
    assert one.result(state).facts["code"] == "binding-malformed"


def test_nonce_and_secret_are_new_for_each_run() -> None:
    one, ctx = module(), context(CHAIN.device_signer.public_key)
    states = {cbor.encode(one.start(ctx)) for _ in range(10)}
    assert len(states) == 10
