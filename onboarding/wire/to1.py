"""TO1: the device asks rendezvous for its owner. Source: FDO 1.1, section 5.4."""

from dataclasses import dataclass
from typing import ClassVar, Self

from onboarding.wire.capability import without_flags
from onboarding.wire.common import Eat, SigInfo, nonce, plain_sign1
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid


@dataclass(frozen=True, slots=True)
class HelloRv:
    """TO1.HelloRV: ``[Guid, eASigInfo]``."""

    TYPE: ClassVar = MsgType.TO1_HELLO_RV
    guid: Guid
    sig_info: SigInfo

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        guid, sig_info = without_flags(cbor.array(cbor.decode(data)), 2)
        return cls(Guid(cbor.bstr(guid)), SigInfo.from_item(sig_info))

    def encode(self) -> bytes:
        return cbor.encode([self.guid.raw, self.sig_info.to_item()])


@dataclass(frozen=True, slots=True)
class HelloRvAck:
    """TO1.HelloRVAck: ``[NonceTO1Proof, eBSigInfo]``."""

    TYPE: ClassVar = MsgType.TO1_HELLO_RV_ACK
    nonce: bytes
    sig_info: SigInfo

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        proof, sig_info = without_flags(cbor.array(cbor.decode(data)), 2)
        return cls(nonce(proof), SigInfo.from_item(sig_info))

    def encode(self) -> bytes:
        return cbor.encode([self.nonce, self.sig_info.to_item()])


@dataclass(frozen=True, slots=True)
class ProveToRv:
    """TO1.ProveToRV: an attestation token signed by the device key."""

    TYPE: ClassVar = MsgType.TO1_PROVE_TO_RV
    signed: Sign1
    eat: Eat

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape; the tag may be left out.

        A key exchange has no place here; the FIDO Alliance's own tools send
        ``-257: [null]``, and it is skipped.
        """
        signed = Sign1.from_cbor(data)
        if signed.unprotected:
            raise MalformedError("unprotected header is not empty")
        return cls(signed, Eat.from_payload(signed.payload, with_kex=False))

    def encode(self) -> bytes:
        return self.signed.encode()


@dataclass(frozen=True, slots=True)
class RvRedirect:
    """TO1.RVRedirect: the to1d blob in the bytes the owner registered."""

    TYPE: ClassVar = MsgType.TO1_RV_REDIRECT
    to1d: bytes

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on anything but a COSE_Sign1."""
        plain_sign1(data)
        return cls(data)

    def encode(self) -> bytes:
        return self.to1d
