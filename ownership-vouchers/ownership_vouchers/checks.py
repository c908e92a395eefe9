"""Every check a voucher passes through, each by itself.

Source: FDO 1.1, section 3.4.6. Nothing here knows the time: the dates of a
device's certificates are not looked at, since a device may have no clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.x509 import Certificate

from ownership_vouchers.device_chain import check_device_chain
from ownership_vouchers.errors import Check, CheckFailed
from ownership_vouchers.header import PROTOCOL_VERSION
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.links import (
    check_key_chain,
    check_key_type,
    check_link,
    first_link,
)
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.voucher import Voucher


@dataclass(frozen=True, slots=True)
class Expected:
    """What the verifier knows besides the voucher; None leaves a check out."""

    hmac_secret: bytes | None = field(default=None, repr=False)
    mfg_key_hash: Hash | None = None
    device_roots: Sequence[Certificate] | None = None
    owner_keys: Sequence[PublicKey] | None = None


def _protocol_version(voucher: Voucher, _: Expected) -> None:
    for name, version in (
        ("voucher", voucher.protver),
        ("header", voucher.header.protver),
    ):
        if version != PROTOCOL_VERSION:
            raise CheckFailed(Check.PROTOCOL_VERSION, f"{name} says {version}, not 101")


def _header_hmac(voucher: Voucher, expected: Expected) -> None:
    secret = expected.hmac_secret or b""
    if not voucher.header.mac(voucher.hmac.type, secret).same(voucher.hmac):
        raise CheckFailed(Check.HEADER_HMAC, "not made with the device's secret")


def _mfg_key_hash(voucher: Voucher, expected: Expected) -> None:
    wanted = expected.mfg_key_hash
    if wanted is None or not voucher.header.key_hash(wanted.type).same(wanted):
        raise CheckFailed(Check.MFG_KEY_HASH, "another manufacturer's key")


def _cert_chain_hash(voucher: Voucher, _: Expected) -> None:
    wanted, chain = voucher.header.cert_chain_hash, voucher.cert_chain
    if wanted is None and chain is None:
        return  # refused by the device_chain check
    if wanted is None or chain is None:
        raise CheckFailed(Check.CERT_CHAIN_HASH, "chain and hash do not go together")
    if not Hash.of(wanted.type, *chain).same(wanted):
        raise CheckFailed(Check.CERT_CHAIN_HASH, "not the chain the header names")


def _entries(voucher: Voucher, _: Expected) -> None:
    """Entry i is verified with the key of entry i-1 and with no other."""
    signer = voucher.header.manufacturer_key
    previous = first_link(voucher.header.raw, voucher.hmac_raw)
    hash_type: HashType | None = None
    for index, entry in enumerate(voucher.entries):
        try:
            hash_type = check_link(entry, voucher.header, signer, previous, hash_type)
        except CheckFailed as error:
            raise CheckFailed(
                Check.ENTRIES, f"entry {index}: {error.reason}"
            ) from error
        signer, previous = entry.public_key, entry.raw


def _key_types(voucher: Voucher, _: Expected) -> None:
    for entry in voucher.entries:
        check_key_type(entry.public_key, voucher.header.manufacturer_key)


def _key_chains(voucher: Voucher, _: Expected) -> None:
    check_key_chain(voucher.header.manufacturer_key)
    for entry in voucher.entries:
        check_key_chain(entry.public_key)


def _device_chain(voucher: Voucher, expected: Expected) -> None:
    check_device_chain(voucher.cert_chain or (), expected.device_roots)


def _device_info(voucher: Voucher, _: Expected) -> None:
    if not voucher.header.device_info:
        raise CheckFailed(Check.DEVICE_INFO, "is empty")


def _rv_info(voucher: Voucher, _: Expected) -> None:
    if not voucher.header.rv_info.directives:
        raise CheckFailed(Check.RV_INFO, "has no directive")


def _owner_key(voucher: Voucher, expected: Expected) -> None:
    if not voucher.entries:
        raise CheckFailed(Check.OWNER_KEY, "was never extended to an owner")
    ours = {key.spki for key in expected.owner_keys or ()}
    if voucher.owner_key.spki not in ours:
        raise CheckFailed(Check.OWNER_KEY, "belongs to somebody else")


# In the order in which ``verify`` runs them: was it tampered with comes before
# is it of use. Limits are held by the decoder.
CHECKS: dict[Check, Callable[[Voucher, Expected], None]] = {
    Check.PROTOCOL_VERSION: _protocol_version,
    Check.HEADER_HMAC: _header_hmac,
    Check.MFG_KEY_HASH: _mfg_key_hash,
    Check.CERT_CHAIN_HASH: _cert_chain_hash,
    Check.ENTRIES: _entries,
    Check.KEY_TYPES: _key_types,
    Check.KEY_CHAINS: _key_chains,
    Check.DEVICE_CHAIN: _device_chain,
    Check.DEVICE_INFO: _device_info,
    Check.RV_INFO: _rv_info,
    Check.OWNER_KEY: _owner_key,
}


def applicable(expected: Expected) -> list[Check]:
    without = {
        Check.HEADER_HMAC: expected.hmac_secret is None,
        Check.MFG_KEY_HASH: expected.mfg_key_hash is None,
        Check.OWNER_KEY: expected.owner_keys is None,
    }
    return [check for check in CHECKS if not without.get(check, False)]
