"""TO2's ServiceInfo messages, 68 and 69. Source: FDO 1.1, 3.9 and 5.5.9."""

from typing import ClassVar, Self

from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.values import lean

Kv = tuple[str, bytes]
"""A ServiceInfoKV: ``module:message``, and CBOR or a fragment of it."""

MAX_KEY = 255
MAX_KVS = 256


@lean
class DeviceServiceInfo:
    """TO2.DeviceServiceInfo: ``[IsMoreServiceInfo, ServiceInfo]``."""

    TYPE: ClassVar = MsgType.TO2_DEVICE_SERVICE_INFO
    more: bool
    kvs: tuple[Kv, ...] = ()

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        more, kvs = cbor.array(cbor.decode(data), 2)
        return cls(cbor.boolean(more), _kvs(kvs))

    def encode(self) -> bytes:
        return cbor.encode([self.more, self.kvs])


@lean
class OwnerServiceInfo:
    """TO2.OwnerServiceInfo: ``[IsMoreServiceInfo, IsDone, ServiceInfo]``."""

    TYPE: ClassVar = MsgType.TO2_OWNER_SERVICE_INFO
    more: bool
    done: bool
    kvs: tuple[Kv, ...] = ()

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any other shape."""
        more, done, kvs = cbor.array(cbor.decode(data), 3)
        return cls(cbor.boolean(more), cbor.boolean(done), _kvs(kvs))

    def encode(self) -> bytes:
        return cbor.encode([self.more, self.done, self.kvs])


def _kvs(item: object) -> tuple[Kv, ...]:
    if item is None:  # how the FIDO Alliance's own tools write an empty list
        return ()
    return tuple(_kv(one) for one in cbor.array(item, limit=MAX_KVS))


def _kv(item: object) -> Kv:
    key, value = cbor.array(item, 2)
    name = cbor.tstr(key, limit=MAX_KEY)
    module, colon, message = name.partition(":")
    if not (module and colon and message):
        raise MalformedError("ServiceInfo key is not module:message")
    return name, cbor.bstr(value)
