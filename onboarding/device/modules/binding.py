"""``org.vouchgate.binding`` on the device: EK, AK and device key are one TPM.

The owner sends ``request``; the answer is ``evidence``. The owner sends ``challenge``;
only this TPM can open it, and the secret goes back as ``answer``. ``result`` tells how
it was judged. Source: TPM 2.0 Library, part 1, section 24 (credential protection).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attestation.binding_messages import (
    BindingChallenge,
    BindingEvidence,
    BindingRequest,
    qualifying_data,
)
from attestation.device_identity import IdentityEvidence, ShownKey, identity_data
from hw.errors import TpmError
from hw.evidence import AkAlg, AttestationKey, CertifiedKey, DeviceIdentity
from onboarding.device.errors import DeviceError
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid

if TYPE_CHECKING:
    from hw.tpm import Tpm


def known_identity(tpm: "Tpm") -> DeviceIdentity | None:
    """The factory identity; one whose keys are not to be had is as good as none."""
    try:
        return tpm.device_identity()
    except TpmError:
        return None


def _shown(one: CertifiedKey) -> ShownKey:
    return ShownKey(one.public, one.certificate, one.chain)


class BindingModule:
    """Answers with a new attestation key of the kind the board's profile names."""

    name = "org.vouchgate.binding"

    def __init__(self, tpm: "Tpm", ak_alg: AkAlg, guid: Guid) -> None:
        """``guid`` is the one that TO2 runs under."""
        self._tpm = tpm
        self._guid = guid
        self._ak_alg = ak_alg
        self._ak: AttestationKey | None = None
        self.verdict: tuple[bool, str, str] | None = None

    def activated(self) -> Sequence[Message]:
        """Wait for the owner's request."""
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one message.

        Raises:
            BindingRefused, MalformedError: It cannot be read.
            DeviceError: It comes out of turn, or asks for a key we do not make.
            TpmError: The TPM refuses; a challenge made for another TPM ends here.
        """
        match message:
            case "request":
                return [("evidence", self._evidence(BindingRequest.from_cbor(value)))]
            case "challenge":
                return [("answer", self._answer(BindingChallenge.from_cbor(value)))]
            case "result":
                self._result(value)
        return []

    def _evidence(self, request: BindingRequest) -> bytes:
        if self._ak_alg not in request.ak_algs:
            raise DeviceError(f"the owner takes no {self._ak_alg} attestation key")
        # A new key for each owner: two owners must not be able to tell one device.
        self._ak = self._tpm.create_attestation_key(self._ak_alg)
        endorsement = self._tpm.endorsement_key(self._tpm.preferred_ek())
        device_key = self._tpm.device_key()
        qualifying = qualifying_data(request.nonce, self._guid)
        certified = self._tpm.certify(device_key, self._ak, qualifying)
        return BindingEvidence(
            endorsement.public,
            endorsement.certificate,
            self._ak.public,
            device_key.public_area,
            certified.message,
            certified.signature,
            identity=self._identity(request, self._ak),
        ).encode()

    def _identity(self, request: BindingRequest, ak: AttestationKey) -> bytes:
        """IAK and IDevID, where the owner asks and the maker left them."""
        found = known_identity(self._tpm) if request.identity else None
        if found is None:
            return b""
        qualifying = identity_data(request.nonce, self._guid)
        said = self._tpm.certify(ak, found.key, qualifying)
        idevid = None if found.idevid is None else _shown(found.idevid)
        shown = IdentityEvidence(
            _shown(found.iak), idevid, said.message, said.signature
        )
        return shown.encode()

    def _answer(self, challenge: BindingChallenge) -> bytes:
        if self._ak is None:
            raise DeviceError("the owner's challenge came before its request")
        secret = self._tpm.activate_credential(
            self._ak,
            challenge.id_object,
            challenge.encrypted_secret,
            self._tpm.preferred_ek(),
        )
        return cbor.encode(secret)

    def _result(self, value: bytes) -> None:
        ok, kind, reason = cbor.array(cbor.decode(value), 3)
        self.verdict = (cbor.boolean(ok), cbor.tstr(kind), cbor.tstr(reason, 4096))
