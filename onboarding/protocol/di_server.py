"""DI, the manufacturer's side. Source: FDO 1.1, section 5.2.

10 -> AwaitingHmac -> 12 -> voucher stored.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.protocol.env import DiServerEnv
from onboarding.protocol.errors import (
    DeviceUnsupported,
    MessageRefused,
    UnexpectedMessage,
    Unsupported,
)
from onboarding.protocol.step import Making, Step, StoreVoucher
from onboarding.wire.di import AppStart, Done, SetCredentials, SetHmac
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import Board, MfgInfo, NamedDevice
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey, alg_for
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import UNREADABLE, KeyEncoding, load_spki, type_of
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.voucher import Header, Voucher

_SHORT = (-7, -257, -37)  # algorithms of the 128-bit strength class


@dataclass(frozen=True, slots=True)
class AwaitingHmac:
    """11 was sent: the header is made, its HMAC is missing."""

    sealed: ClassVar[bool] = True
    header: bytes
    cert_chain: tuple[bytes, ...]
    serial: str
    board: Board | None
    making: Making

    def encode(self) -> bytes:
        board = self.board and self.board.to_item()
        making = self.making.to_item()
        return cbor.encode([self.header, self.cert_chain, self.serial, board, making])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        header, chain, serial, board, making = cbor.array(cbor.decode(data), 5)
        return cls(
            cbor.bstr(header),
            tuple(cbor.bstr(one) for one in cbor.array(chain)),
            cbor.tstr(serial),
            None if board is None else Board.from_item(board),
            Making.from_item(making),
        )


State = AwaitingHmac
decode_state = AwaitingHmac.decode


def step(state: State | None, msg: MsgType, body: bytes, env: DiServerEnv) -> Step:
    """Advance a run by one message.

    Raises:
        ProtocolError, VoucherError: See `errors.error_code`.
    """
    match state, msg:
        case None, MsgType.DI_APP_START:
            return _app_start(AppStart.from_cbor(body).mfg_info, env)
        case AwaitingHmac(), MsgType.DI_SET_HMAC:
            return _set_hmac(state, SetHmac.from_cbor(body))
    raise UnexpectedMessage(f"{msg.name} in {type(state).__name__}")


def _app_start(info: MfgInfo | NamedDevice | None, env: DiServerEnv) -> Step:
    """Answer any form; fdo-rs, whose form is one text, takes 11 in its own."""
    match info:
        case None:
            raise DeviceUnsupported("message 10 without MfgInfo names no device")
        case NamedDevice():
            key = _known_key(info.serial, env)
            kind = type_of(key), KeyEncoding.X509
            whole = MfgInfo(*kind, info.serial, "", b"")
            return _answer(whole, key, env, proven=False, bare=True)
        case MfgInfo(on_die=True):
            raise DeviceUnsupported("keys of the chip itself (Intel CSE, on-die ECDSA)")
        case MfgInfo(csr=b""):
            return _answer(info, _known_key(info.serial, env), env, proven=False)
        case MfgInfo():
            return _answer(info, _requested_key(info.csr), env, proven=True)


def _answer(
    info: MfgInfo, key: VerifyKey, env: DiServerEnv, *, proven: bool, bare: bool = False
) -> Step:
    device_info = info.device_info or info.serial
    if not device_info or not (device_info + info.serial).isprintable():
        raise MessageRefused("no printable serial number and device info")
    env.admit(info.serial, key)
    manufacturer_key = env.manufacturer_key(info.key_type, info.key_encoding, key)
    if manufacturer_key is None:
        raise Unsupported(f"no {info.key_type.name} manufacturer key")
    if env.bare_cose_key(device_info):
        manufacturer_key = manufacturer_key.without_kty()
    chain = env.issue(key, info.serial)
    header = Header.build(
        Guid(env.random(16)),
        env.rv_info(device_info),
        device_info,
        manufacturer_key,
        Hash.of(_hash_type(key, manufacturer_key.alg), *chain),
    )
    making = Making(env.line, env.station, env.now, proven)
    state = AwaitingHmac(header.raw, chain, info.serial, info.board, making)
    return Step(state, SetCredentials.TYPE, SetCredentials(header.raw, bare).encode())


def _known_key(name: str, env: DiServerEnv) -> VerifyKey:
    key = env.known_key(name)
    if key is None:
        raise Unsupported(
            "the device sent no certificate request, and no key is known by its name"
        )
    return key


def _set_hmac(state: AwaitingHmac, message: SetHmac) -> Step:
    header = Header.from_cbor(state.header)
    voucher = Voucher.build(header, message.hmac, state.cert_chain)
    effect = StoreVoucher(voucher, state.serial, state.board, state.making)
    return Step(None, Done.TYPE, Done().encode(), (effect,))


def _requested_key(der: bytes) -> VerifyKey:
    """Return a request's key; its signature shows that the device holds it."""
    try:
        request = x509.load_der_x509_csr(der)
        device_key = _request_key(request)
        valid = request.is_signature_valid
    except UnsupportedAlgorithm as error:
        raise Unsupported("certificate request of an unknown kind") from error
    except UNREADABLE as error:
        raise MalformedError("not a DER certificate request") from error
    if not valid:
        raise MessageRefused("the certificate request is not signed by its key")
    return device_key


def _request_key(request: x509.CertificateSigningRequest) -> VerifyKey:
    der = request.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    key = load_spki(der)
    type_of(key)
    return key


def _hash_type(device_key: VerifyKey, manufacturer_alg: int) -> HashType:
    """SHA-384 if both keys are of its strength. Source: the peers' common rule."""
    if alg_for(device_key) in _SHORT or manufacturer_alg in _SHORT:
        return HashType.SHA256
    return HashType.SHA384
