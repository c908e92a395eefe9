"""TO0, the owner's side. Source: FDO 1.1, section 5.3.

start: 20 -> 21: 22 -> 23: finished with the seconds granted.
"""

from onboarding.protocol.clients import expect
from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.step import Finished, Send
from onboarding.wire.message import MsgType
from onboarding.wire.to0 import (
    AcceptOwner,
    Hello,
    HelloAck,
    OwnerSign,
    To0d,
    To1dPayload,
)
from ownership_vouchers.cose import sign1
from ownership_vouchers.types import Hash


class To0Owner:
    """One registration of one voucher."""

    def __init__(self, env: To0OwnerEnv) -> None:
        self._env = env
        self._signed = False

    def start(self) -> Send:
        return Send(Hello.TYPE, Hello().encode())

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[int]:
        """Take the answer to the last message.

        Raises:
            ProtocolError, VoucherError: The run is over.
        """
        if not self._signed:
            data = expect(MsgType.TO0_HELLO_ACK, msg, body)
            self._signed = True
            return self._owner_sign(HelloAck.from_cbor(data).nonce)
        data = expect(MsgType.TO0_ACCEPT_OWNER, msg, body)
        return Finished(AcceptOwner.from_cbor(data).wait_seconds)

    def _owner_sign(self, nonce: bytes) -> Send:
        env = self._env
        to0d = To0d(env.voucher.raw, env.wait_seconds, nonce).encode()
        to0d_hash = Hash.of(env.voucher.hmac.type.plain, to0d)
        addresses: list[object] = [one.to_item() for one in env.addresses]
        payload = To1dPayload(addresses, to0d_hash).encode()
        message = OwnerSign(to0d, sign1(env.signer, payload).encode())
        return Send(OwnerSign.TYPE, message.encode())
