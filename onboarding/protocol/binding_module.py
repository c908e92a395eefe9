"""``org.vouchgate.binding``, the owner's side: EK, AK and device key are one TPM.

    owner                      device
    active, request ------->
                    <-------   active, evidence
    challenge       ------->
                    <-------   answer
    result          ------->

What holds and what does not is said by `attestation.binding`; here is only who
says what when. A refusal ends TO2 if the module is required.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Self

from attestation.binding import (
    AK_ALGS,
    NONCE_SIZE,
    SECRET_SIZE,
    Binding,
    BindingEvidence,
    BindingRefused,
    BindingRequest,
    PendingBinding,
    challenge,
    check_evidence,
    complete,
)
from attestation.ek_store import EkTrust
from attestation.passport import Passport
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor
from ownership_vouchers.values import lean

NAME = "org.vouchgate.binding"
_ASK, _EVIDENCE, _CHALLENGE, _ANSWER, _BOUND, _REFUSED = range(6)


@dataclass(frozen=True, slots=True)
class _State:
    """``document`` is the PendingBinding, then the Binding, encoded."""

    phase: int
    nonce: bytes
    secret: bytes = field(default=b"", repr=False)
    document: bytes = b""
    refusal: tuple[str, str, str] = ("", "", "")  # code, sentence, remedy

    def to_item(self) -> list[object]:
        return [
            self.phase,
            self.nonce,
            self.secret,
            self.document,
            list(self.refusal),
        ]

    @classmethod
    def of(cls, item: object) -> Self:
        phase, nonce, secret, document, refusal = cbor.array(item, 5)
        code, sentence, remedy = cbor.array(refusal, 3)
        return cls(
            cbor.uint(phase, 8),
            cbor.bstr(nonce, NONCE_SIZE),
            cbor.bstr(secret, limit=SECRET_SIZE),
            cbor.bstr(document),
            (cbor.tstr(code), cbor.tstr(sentence, 4096), cbor.tstr(remedy, 4096)),
        )


@lean
class BindingModule:
    """Binds one device.

    Args:
        passport: Of this device, already opened; None if it has none.
        trust: The store that EK certificates are judged by. With CAs of device makers
            in it, a device is asked for its IAK, too.
        accepted, refused: As `attestation.binding.check_evidence` takes them.
        ak_algs: Kinds of attestation key asked for.
        required: Whether a device that cannot be bound is not taken at all.
    """

    passport: Passport | None
    trust: EkTrust
    accepted: Collection[bytes] = ()
    ak_algs: tuple[str, ...] = AK_ALGS
    required: bool = True
    name: str = NAME
    refused: Collection[bytes] = ()

    def start(self, ctx: ModuleContext) -> object:
        """Draw the nonce that the device must have certified."""
        return _State(_ASK, ctx.random(NONCE_SIZE)).to_item()

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take evidence or answer, once each.

        Raises:
            MessageRefused: Any other message, or one out of turn.
        """
        now = _State.of(state)
        match now.phase, message:
            case 1, "evidence":
                take = self._evidence
            case 3, "answer":
                take = self._answer
            case _:
                raise MessageRefused(f"{self.name}:{message} out of turn")
        try:
            return take(now, value, ctx).to_item()
        except BindingRefused as error:
            refusal = (error.code.value, error.sentence[:4096], error.remedy[:4096])
            return _State(_REFUSED, now.nonce, refusal=refusal).to_item()

    def _evidence(self, now: _State, value: bytes, ctx: ModuleContext) -> _State:
        pending = check_evidence(
            BindingEvidence.from_cbor(value),
            guid=ctx.guid,
            nonce=now.nonce,
            device_key=ctx.device_key,
            passport=self.passport,
            trust=self.trust,
            now=ctx.now,
            accepted=self.accepted,
            refused=self.refused,
            ak_algs=self.ak_algs,
        )
        secret = ctx.random(SECRET_SIZE)
        return _State(_CHALLENGE, now.nonce, secret, pending.encode())

    def _answer(self, now: _State, value: bytes, ctx: ModuleContext) -> _State:
        answer = cbor.bstr(cbor.decode(value), limit=256)
        pending = PendingBinding.from_cbor(now.document)
        binding = complete(pending, now.secret, answer)
        return _State(_BOUND, now.nonce, document=binding.encode())

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Say what the phase asks for; long values are cut by the exchange."""
        now = _State.of(state)
        if now.phase == _ASK:
            asks = bool(self.trust.makers)
            request = BindingRequest(now.nonce, self.ak_algs, asks).encode()
            asked = replace(now, phase=_EVIDENCE)
            return asked.to_item(), [("request", request)], Progress.WAITING
        if now.phase == _CHALLENGE:
            pending = PendingBinding.from_cbor(now.document)
            sealed = challenge(pending, now.secret, ctx.random).encode()
            asked = replace(now, phase=_ANSWER)
            return asked.to_item(), [("challenge", sealed)], Progress.WAITING
        if now.phase == _BOUND:
            klass = Binding.from_cbor(now.document).klass.value
            told = cbor.encode([True, klass, ""])
            return state, [("result", told)], Progress.DONE
        if now.phase == _REFUSED:
            # The device learns that, and the code; the sentence is our operator's.
            told = cbor.encode([False, "", now.refusal[0]])
            return state, [("result", told)], Progress.DONE
        return state, [], Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        """``facts`` holds ``binding`` (encoded), or ``code`` and ``remedy``."""
        now = _State.of(state)
        if now.phase == _BOUND:
            klass = Binding.from_cbor(now.document).klass.value
            facts: dict[str, object] = {"binding": now.document}
            return ModuleResult(self.name, ok=True, detail=klass, facts=facts)
        code, sentence, remedy = now.refusal
        told: dict[str, object] = {"code": code, "remedy": remedy}
        return ModuleResult(self.name, ok=False, detail=sentence, facts=told)
