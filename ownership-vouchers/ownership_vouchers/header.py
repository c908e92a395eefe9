"""The voucher's header: what the manufacturer says, once and for all.

Source: FDO 1.1, section 3.4.2.
"""

from dataclasses import dataclass, field
from typing import Self

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash, HashType

PROTOCOL_VERSION = 101
MAX_DEVICE_INFO = 1024
# Bytes of the header, and of each entry: TO2.ProveOVHdr has the header and a key, and a
# message has 64 KiB.
MAX_PART = 31 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    """OVHeader; the fields stand in wire order. Source: section 3.4.2."""

    protver: int
    guid: Guid
    rv_info: RendezvousInfo
    device_info: str
    manufacturer_key: PublicKey
    cert_chain_hash: Hash | None
    raw: bytes = field(repr=False)

    @classmethod
    def from_cbor(cls, raw: bytes) -> Self:
        """Decode the content of OVHeaderTag.

        Raises:
            MalformedError: Another shape, or over 31 KiB.
            UnsupportedKeyError: A manufacturer key that we do not take.
        """
        _bound(raw)
        parts = cbor.parts(raw, limit=6)
        if len(parts) != 6:
            raise MalformedError(f"header of {len(parts)} items, not 6")
        _, _, (rv_info, _), _, (key, _), _ = parts
        version, guid, _, device_info, _, chain_hash = (value for _, value in parts)
        return cls(
            cbor.uint(version, 16),
            Guid(cbor.bstr(guid, 16)),
            RendezvousInfo.from_cbor(rv_info),
            cbor.tstr(device_info, limit=MAX_DEVICE_INFO),
            PublicKey.from_cbor(key),
            None if chain_hash is None else _plain_hash(chain_hash),
            raw,
        )

    @classmethod
    def build(
        cls,
        guid: Guid,
        rv_info: RendezvousInfo,
        device_info: str,
        manufacturer_key: PublicKey,
        cert_chain_hash: Hash | None,
    ) -> Self:
        """Write a header; rendezvous info and key go in byte for byte.

        Raises:
            MalformedError: What ``from_cbor`` would not take back.
        """
        chain_hash = None if cert_chain_hash is None else cert_chain_hash.to_item()
        if chain_hash is not None:
            _plain_hash(chain_hash)
        parts = (
            cbor.encode(PROTOCOL_VERSION),
            cbor.encode(guid.raw),
            rv_info.raw,
            cbor.encode(cbor.tstr(device_info, limit=MAX_DEVICE_INFO)),
            manufacturer_key.raw,
            cbor.encode(chain_hash),
        )
        raw = cbor.join(parts)
        _bound(raw)
        return cls(
            PROTOCOL_VERSION,
            guid,
            rv_info,
            device_info,
            manufacturer_key,
            cert_chain_hash,
            raw,
        )

    def mac(self, kind: HashType, secret: bytes) -> Hash:
        """Return OVHeaderHMac under the device's ``secret``."""
        return Hash.mac(kind, secret, self.raw)

    def key_hash(self, kind: HashType) -> Hash:
        """Return the hash of OVPubKey that a device keeps (DCPubKeyHash)."""
        return Hash.of(kind, self.manufacturer_key.raw)

    @property
    def info(self) -> bytes:
        """What OVEHashHdrInfo covers: GUID, then device info as UTF-8."""
        return self.guid.raw + self.device_info.encode()


def _bound(raw: bytes) -> None:
    if len(raw) > MAX_PART:
        raise MalformedError(f"a header of {len(raw)} bytes, over 31 KiB")


def _plain_hash(item: object) -> Hash:
    value = Hash.from_item(item)
    if value.type.is_mac:
        raise MalformedError("an HMAC where a hash belongs")
    return value
