"""DI, the device's side. Source: FDO 1.1, section 5.2.

start: 10 -> 11: 12 -> 13: finished.
"""

from onboarding.protocol.clients import expect
from onboarding.protocol.device_env import DeviceCredential, DiDeviceEnv
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.step import Finished, Send
from onboarding.wire.di import AppStart, Done, SetCredentials, SetHmac
from onboarding.wire.message import PROTOCOL_VERSION, MsgType
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.voucher import Header


class DiDevice:
    """One run of DI; ends with the credential to keep."""

    def __init__(self, env: DiDeviceEnv) -> None:
        self._env = env
        self._header: Header | None = None

    @property
    def manufacturer_key(self) -> PublicKey | None:
        """Whose first voucher entry the device will believe; None before 11."""
        return None if self._header is None else self._header.manufacturer_key

    def start(self) -> Send:
        return Send(AppStart.TYPE, AppStart(self._env.mfg_info).encode())

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[DeviceCredential]:
        """Take the answer to the last message.

        Raises:
            ProtocolError, VoucherError: The run is over; keep nothing of it.
        """
        if self._header is None:
            data = expect(MsgType.DI_SET_CREDENTIALS, msg, body)
            return self._set_credentials(SetCredentials.from_cbor(data))
        Done.from_cbor(expect(MsgType.DI_DONE, msg, body))
        return Finished(self._credential(self._header))

    def _set_credentials(self, message: SetCredentials) -> Send:
        header = Header.from_cbor(message.header)
        if header.protver != PROTOCOL_VERSION:
            raise MessageRefused(f"header of protocol version {header.protver}")
        key = self._env.mac_key
        hmac = Hash(HashType(key.hash_type), key.mac(header.raw))
        self._header = header
        return Send(SetHmac.TYPE, SetHmac(hmac).encode())

    def _credential(self, header: Header) -> DeviceCredential:
        kind = HashType(self._env.mac_key.hash_type).plain
        return credential_of(header, kind)


def credential_of(header: Header, kind: HashType) -> DeviceCredential:
    """Return what a device keeps of a header; ``kind`` hashes its key."""
    return DeviceCredential(
        header.guid, header.device_info, header.rv_info.raw, header.key_hash(kind)
    )
