"""What a device checks of the owner and its voucher. Source: FDO 1.1, 5.5."""

import hmac
from dataclasses import dataclass, field

from onboarding.protocol.device_env import To2DeviceEnv
from onboarding.protocol.errors import MessageRefused
from onboarding.wire.common import plain_sign1
from onboarding.wire.message import PROTOCOL_VERSION
from onboarding.wire.to2 import HelloDevice, OvNextEntry, ProveOvHdr, ProveOvHdrPayload
from ownership_vouchers.errors import CheckFailed, SignatureError
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.verify import first_link, verify_entry
from ownership_vouchers.voucher import Entry, Header, decode_hmac


@dataclass(frozen=True, slots=True)
class VoucherWalk:
    """How far the device has come through the voucher.

    ``signer`` must have signed the next entry, over ``previous``; ``owner`` is
    who claims to be named by the last one.
    """

    header: Header
    owner: PublicKey
    count: int
    index: int
    signer: PublicKey
    previous: bytes = field(repr=False)
    hash_type: HashType | None = None

    @property
    def complete(self) -> bool:
        return self.index == self.count

    def take(self, message: OvNextEntry) -> "VoucherWalk":
        """Check the next entry; the last one must name the owner.

        Raises:
            MessageRefused: It does not hold, or is not the one asked for.
        """
        if message.index != self.index:
            raise MessageRefused(f"entry {message.index} where {self.index} belongs")
        entry = Entry.from_cbor(message.entry)
        try:
            used = verify_entry(
                entry,
                header=self.header,
                signer=self.signer,
                previous=self.previous,
                hash_type=self.hash_type,
            )
        except CheckFailed as error:
            raise MessageRefused(f"entry {self.index}: {error}") from error
        next_index = self.index + 1
        if next_index == self.count and not entry.public_key.same_key(self.owner):
            raise MessageRefused("the last entry names another owner")
        return VoucherWalk(
            self.header,
            self.owner,
            self.count,
            next_index,
            entry.public_key,
            entry.raw,
            used,
        )


def check_prove_ov_hdr(
    message: ProveOvHdr, hello: HelloDevice, env: To2DeviceEnv
) -> VoucherWalk:
    """Check everything 61 says; entries are still to come.

    Raises:
        MessageRefused: Wrong nonce, hash, HMAC, header or count.
        SignatureError: Not signed by the key it shows.
    """
    payload = message.payload
    message.signed.verify(message.owner_key.key)
    if not hmac.compare_digest(payload.nonce, hello.nonce):
        raise MessageRefused("another nonce than ours")
    claimed = payload.hello_hash
    if not Hash.of(claimed.type, hello.encode()).same(claimed):
        raise MessageRefused("the owner answers another HelloDevice")
    if payload.sig_info != hello.sig_info:
        raise MessageRefused("the owner wants another kind of signature")
    if payload.entry_count == 0:
        raise MessageRefused("the voucher names no owner")
    header = _check_header(payload, env)
    return VoucherWalk(
        header,
        message.owner_key,
        payload.entry_count,
        0,
        header.manufacturer_key,
        first_link(header.raw, payload.hmac_raw),
    )


def _check_header(payload: ProveOvHdrPayload, env: To2DeviceEnv) -> Header:
    """The HMAC comes first: it shows that the header is ours at all."""
    key, ours = env.mac_key, env.credential
    expected = Hash(HashType(key.hash_type), key.mac(payload.header))
    if not expected.same(decode_hmac(payload.hmac_raw)):
        raise MessageRefused("the header was not made for this device")
    header = Header.from_cbor(payload.header)
    if header.protver != PROTOCOL_VERSION or header.guid != ours.guid:
        raise MessageRefused("the header is of another version or GUID")
    if not header.key_hash(ours.manufacturer_hash.type).same(ours.manufacturer_hash):
        raise MessageRefused("the header names another manufacturer")
    return header


def check_to1d(to1d: bytes, owner: PublicKey) -> None:
    """Hold what rendezvous said against the owner that was proved.

    Raises:
        MessageRefused: Rendezvous sent us where another owner wanted us.
    """
    try:
        plain_sign1(to1d).verify(owner.key)
    except SignatureError as error:
        raise MessageRefused("rendezvous sent us to another owner") from error
