"""TO1, the device's side. Source: FDO 1.1, section 5.4.

start: 30 -> 31: 32 -> 33: finished with to1d.
"""

from onboarding.protocol.clients import expect
from onboarding.protocol.device_env import To1DeviceEnv
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.step import Finished, Send
from onboarding.wire.common import Eat, SigInfo
from onboarding.wire.message import MsgType
from onboarding.wire.to1 import HelloRv, HelloRvAck, RvRedirect
from ownership_vouchers.cose import sign1


class To1Device:
    """One question to one rendezvous server.

    The blob it ends with is unproven: TO2 holds it against the owner's key.
    """

    def __init__(self, env: To1DeviceEnv) -> None:
        self._env = env
        self._proved = False

    def start(self) -> Send:
        sig_info = SigInfo(int(self._env.device_key.alg))
        return Send(HelloRv.TYPE, HelloRv(self._env.guid, sig_info).encode())

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[bytes]:
        """Take the answer to the last message.

        Raises:
            ProtocolError, VoucherError: The run is over.
        """
        if not self._proved:
            data = expect(MsgType.TO1_HELLO_RV_ACK, msg, body)
            self._proved = True
            return self._prove(HelloRvAck.from_cbor(data))
        data = expect(MsgType.TO1_RV_REDIRECT, msg, body)
        return Finished(RvRedirect.from_cbor(data).to1d)

    def _prove(self, message: HelloRvAck) -> Send:
        if message.sig_info.type != self._env.device_key.alg:
            raise MessageRefused("the server wants another kind of signature")
        eat = Eat(message.nonce, self._env.guid)
        signed = sign1(self._env.device_key, eat.payload())
        return Send(MsgType.TO1_PROVE_TO_RV, signed.encode())
