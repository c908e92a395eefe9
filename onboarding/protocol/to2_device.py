"""TO2, the device's side. Source: FDO 1.1, section 5.5.

start: 60 -> 61: 62 -> 63: 62 again or 64 -> 65: 66 -> 67: 68 -> 69: 68 again or
70 -> 71: finished.
"""

import hmac
from collections.abc import Callable

from onboarding.protocol.ciphers import default_cipher
from onboarding.protocol.clients import expect
from onboarding.protocol.device_env import DeviceCredential, Onboarded, To2DeviceEnv
from onboarding.protocol.di_device import credential_of
from onboarding.protocol.errors import MessageRefused, ReuseRefused, Unsupported
from onboarding.protocol.exchange_device import DeviceExchange
from onboarding.protocol.kex import Draw, answer, session_key, suite_for
from onboarding.protocol.step import Finished, Send
from onboarding.protocol.to2_checks import VoucherWalk, check_prove_ov_hdr, check_to1d
from onboarding.protocol.tunnel import Tunnel, mark_of
from onboarding.wire.chunks import SLACK, send_limit, size_limit
from onboarding.wire.common import Eat, SigInfo
from onboarding.wire.message import KexSuite, MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, OwnerServiceInfo
from onboarding.wire.to2 import (
    EUPH_NONCE,
    GetOvNextEntry,
    HelloDevice,
    OvNextEntry,
    ProveDevice,
    ProveOvHdr,
)
from onboarding.wire.to2_secure import (
    DeviceServiceInfoReady,
    Done,
    Done2,
    OwnerServiceInfoReady,
    SetupDevice,
    SetupDevicePayload,
)
from ownership_vouchers.algorithms import Alg
from ownership_vouchers.cose import sign1
from ownership_vouchers.types import NONCE_SIZE, Hash, HashType
from ownership_vouchers.voucher import Header

_SUITES = {
    Alg.ES256: KexSuite.ECDH256,
    Alg.ES384: KexSuite.ECDH384,
    Alg.RS256: KexSuite.DHKEXID14,
    Alg.PS256: KexSuite.DHKEXID14,
    Alg.RS384: KexSuite.DHKEXID15,
    Alg.PS384: KexSuite.DHKEXID15,
}
_Answer = Callable[[bytes], Send | Finished[Onboarded]]


def default_kex(alg: int) -> KexSuite:
    """Return what goes with an owner whose key is of the kind that signs with ``alg``.

    Raises:
        Unsupported: A kind of key that is not in FDO.
    """
    if alg not in _SUITES:
        raise Unsupported(f"no key exchange for keys of algorithm {alg}")
    return _SUITES[Alg(alg)]


class To2Device:
    """One run of TO2, from 60 to a credential worth keeping.

    Nothing the owner says is acted upon before the last voucher entry has named
    it; ``pending`` is what 71 will confirm, there from 66 on. ``idle`` says that in
    the last round of ServiceInfo neither side had anything to say.
    """

    def __init__(self, env: To2DeviceEnv) -> None:
        kex = env.kex or default_kex(int(env.device_key.alg))
        cipher = env.cipher or default_cipher(kex)
        self._env = env
        self._kex, self._cipher = kex, cipher
        self._hello = HelloDevice(
            env.max_message,
            env.credential.guid,
            env.random(NONCE_SIZE),
            kex,
            int(cipher),
            SigInfo(int(env.device_key.alg)),
        )
        self._setup_nonce = b""
        self._marks: set[bytes] = set()
        self._rounds = 0
        self._place = 1  # of the next message we seal: see ``Tunnel``
        self.pending: Onboarded | None = None
        self.idle = False
        self._wanted = MsgType.TO2_PROVE_OV_HDR
        self._answer: _Answer = self._prove_ov_hdr

    def start(self) -> Send:
        return Send(HelloDevice.TYPE, self._hello.encode())

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[Onboarded]:
        """Take the answer to the last message.

        Raises:
            ProtocolError, VoucherError: The run is over; the credential stays.
        """
        return self._answer(expect(self._wanted, msg, body))

    def _next(
        self, send: MsgType, body: bytes, wanted: MsgType, answer: _Answer
    ) -> Send:
        self._wanted, self._answer = wanted, answer
        return Send(send, body)

    def _next_sealed(
        self, send: MsgType, plain: bytes, wanted: MsgType, answer: _Answer
    ) -> Send:
        body = self._tunnel.seal(plain, self._env.random, self._place)
        self._place += 2
        return self._next(send, body, wanted, lambda got: answer(self._opened(got)))

    def _opened(self, sealed: bytes) -> bytes:
        """Open what the owner sealed, once: a copy would be obeyed again."""
        plain, mark = self._tunnel.open(sealed), mark_of(sealed)
        if mark in self._marks:
            raise MessageRefused("a copy of a message that was taken")
        self._marks.add(mark)
        return plain

    def _prove_ov_hdr(self, body: bytes) -> Send:
        message = ProveOvHdr.from_cbor(body)
        self._walk = check_prove_ov_hdr(message, self._hello, self._env)
        suite_for(self._kex, self._walk.owner.key)
        self._prove_nonce, self._owner_kex = message.nonce, message.payload.kex
        self._owner_limit = message.payload.max_message_size
        return self._get_entry(self._walk)

    def _get_entry(self, walk: VoucherWalk) -> Send:
        body = GetOvNextEntry(walk.index).encode()
        wanted = MsgType.TO2_OV_NEXT_ENTRY
        return self._next(GetOvNextEntry.TYPE, body, wanted, self._entry)

    def _entry(self, body: bytes) -> Send:
        self._walk = self._walk.take(OvNextEntry.from_cbor(body))
        if not self._walk.complete:
            return self._get_entry(self._walk)
        if self._env.to1d is not None:
            check_to1d(self._env.to1d, self._walk.owner)
        return self._prove_device()

    def _prove_device(self) -> Send:
        env, owner_key = self._env, self._walk.owner.key
        self._setup_nonce = env.random(NONCE_SIZE)
        draw = Draw(env.random, env.new_kex_key, env.new_dh_key)
        sent, shared = answer(self._kex, self._owner_kex, owner_key, draw)
        self._tunnel = Tunnel(self._cipher, session_key(self._cipher, shared))
        eat = Eat(self._prove_nonce, env.credential.guid, sent)
        headers: dict[object, object] = {EUPH_NONCE: self._setup_nonce}
        signed = sign1(env.device_key, eat.payload(), headers)
        return self._next(
            ProveDevice.TYPE,
            signed.encode(),
            MsgType.TO2_SETUP_DEVICE,
            lambda sealed: self._setup(self._opened(sealed)),
        )

    def _setup(self, plain: bytes) -> Send:
        message = SetupDevice.from_cbor(plain)
        offer = message.payload
        message.signed.verify(offer.owner_key.key)
        if not hmac.compare_digest(offer.nonce, self._setup_nonce):
            raise MessageRefused("another nonce than ours")
        mac = None if self._reused(offer) else self._replace(offer)
        ready = DeviceServiceInfoReady(mac, self._env.max_service_info)
        return self._next_sealed(
            DeviceServiceInfoReady.TYPE,
            ready.encode(),
            MsgType.TO2_OWNER_SERVICE_INFO_READY,
            self._ready,
        )

    def _reused(self, offer: SetupDevicePayload) -> bool:
        """Reuse is offered if nothing would change."""
        ours = self._env.credential
        if (
            offer.guid != ours.guid
            or offer.rv_info.raw != ours.rv_info
            or not offer.owner_key.same_key(self._walk.owner)
        ):
            return False
        if not self._env.allow_reuse:
            raise ReuseRefused("the owner wants the credential to stay as it is")
        self.pending = Onboarded(None, offer.owner_key.raw, None)
        return True

    def _replace(self, offer: SetupDevicePayload) -> Hash:
        """Return the HMAC over the header the owner will build."""
        old, new_key = self._walk.header, self._env.new_mac_key
        key = self._env.mac_key if new_key is None else new_key()
        header = Header.build(
            offer.guid,
            offer.rv_info,
            old.device_info,
            offer.owner_key,
            old.cert_chain_hash,
        )
        kind = HashType(key.hash_type)
        self.pending = Onboarded(self._credential(header), offer.owner_key.raw, kind)
        return Hash(kind, key.mac(header.raw))

    def _credential(self, header: Header) -> DeviceCredential:
        return credential_of(header, self._env.credential.manufacturer_hash.type)

    def _ready(self, plain: bytes) -> Send:
        message = OwnerServiceInfoReady.from_cbor(plain)
        limit = send_limit(message.max_service_info, self._owner_limit)
        env = self._env
        self._exchange = DeviceExchange(env.devmod, env.modules, limit)
        return self._service_info(self._exchange.first())

    def _service_info(self, message: DeviceServiceInfo) -> Send:
        self._rounds += 1
        if self._rounds > self._env.max_rounds:
            raise MessageRefused(f"over {self._env.max_rounds} rounds of ServiceInfo")
        return self._next_sealed(
            DeviceServiceInfo.TYPE,
            message.encode(),
            MsgType.TO2_OWNER_SERVICE_INFO,
            self._owner_service_info,
        )

    def _owner_service_info(self, plain: bytes) -> Send:
        limit = size_limit(self._env.max_service_info)
        if len(plain) > limit + SLACK:
            raise MessageRefused(f"ServiceInfo of {len(plain)} bytes")
        heard = OwnerServiceInfo.from_cbor(plain)
        message = self._exchange.receive(heard)
        if message is not None:
            self.idle = not (heard.kvs or heard.more or message.kvs or message.more)
            return self._service_info(message)
        body = Done(self._prove_nonce).encode()
        return self._next_sealed(Done.TYPE, body, MsgType.TO2_DONE2, self._done2)

    def _done2(self, plain: bytes) -> Finished[Onboarded]:
        if not hmac.compare_digest(Done2.from_cbor(plain).nonce, self._setup_nonce):
            raise MessageRefused("another nonce than ours")
        if self.pending is None:
            raise MessageRefused("Done2 without SetupDevice")
        return Finished(self.pending)
