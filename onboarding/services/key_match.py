"""Which of our owner keys can take a voucher, before it is imported."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from onboarding.services.context import Context
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyInfo, KeyKind
from onboarding.store.owner_keys import KeyState
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import UnsupportedKeyError, VoucherError
from ownership_vouchers.extend import next_owner_key
from ownership_vouchers.keys import KeyType
from ownership_vouchers.pem import load_voucher, split_vouchers
from ownership_vouchers.types import Guid
from ownership_vouchers.voucher import Voucher

MAX_MATCHED = 1000
_MADE_AS: Mapping[KeyType, KeyAlgorithm] = {
    KeyType.RSA2048RESTR: KeyAlgorithm.RSA2048,
    KeyType.RSAPKCS: KeyAlgorithm.RSA3072,
    KeyType.RSAPSS: KeyAlgorithm.RSA3072_PSS,
    KeyType.SECP256R1: KeyAlgorithm.P256,
    KeyType.SECP384R1: KeyAlgorithm.P384,
}


@dataclass(frozen=True, slots=True)
class OurKey:
    """An owner key of ours and what it may be used for."""

    info: KeyInfo
    key: VerifyKey
    state: KeyState


@dataclass(frozen=True, slots=True)
class Match:
    """One voucher held against our keys; nothing of it was verified.

    ``ends_in`` is the key of ours that its last entry names, ``takers`` are the active
    ones that it can be extended to. ``advice`` says what to do with it.
    """

    index: int
    guid: Guid | None
    key_type: KeyType | None
    owner: str | None
    ends_in: OurKey | None
    takers: tuple[OurKey, ...]
    advice: str


def our_keys(context: Context) -> tuple[OurKey, ...]:
    """Every owner key that is here, by name."""
    return tuple(_our_keys(context))


def matches(keys: Sequence[OurKey], data: bytes) -> list[Match]:
    """Hold every voucher of a PEM or CBOR file against ``keys``.

    Raises:
        VoucherError: The file as a whole is none of vouchers, or has over 1,000.
    """
    blocks = split_vouchers(data, MAX_MATCHED)
    return [_match(keys, index, block) for index, block in enumerate(blocks)]


def _our_keys(context: Context) -> Iterator[OurKey]:
    for info in context.keyrings[KeyKind.OWNER].infos():
        key = load_pem_public_key(info.public_pem.encode())
        if isinstance(key, VerifyKey):
            state = context.owner_keys.standing(info.fingerprint).state
            yield OurKey(info, key, state)


def _match(keys: Sequence[OurKey], index: int, block: bytes) -> Match:
    try:
        voucher = load_voucher(block)
        owner = voucher.owner_key.fingerprint()
    except VoucherError as error:
        return Match(index, None, None, None, None, (), f"It cannot be read: {error}.")
    kind = voucher.header.manufacturer_key.type
    ends_in = next((one for one in keys if one.info.fingerprint == owner), None)
    takers = tuple(one for one in keys if _takes(one, voucher))
    advice = _advice(kind, voucher, ends_in, takers)
    return Match(index, voucher.guid, kind, owner, ends_in, takers, advice)


def _takes(one: OurKey, voucher: Voucher) -> bool:
    try:
        next_owner_key(voucher, one.key)
    except UnsupportedKeyError:
        return False
    return one.state is KeyState.ACTIVE


def _advice(
    kind: KeyType, voucher: Voucher, ends_in: OurKey | None, takers: Sequence[OurKey]
) -> str:
    if ends_in is not None and ends_in.state.usable and voucher.entries:
        return f"Import it: it ends in our key {ends_in.info.name}."
    if not takers:
        made_as = _MADE_AS[kind]
        return (
            "No active key of ours is of its type: make one with `vouchgate keys new"
            f" --kind owner --algorithm {made_as}`, and have it extended to that one."
        )
    names = " or ".join(one.info.name for one in takers)
    if ends_in is not None and not ends_in.state.usable:
        return (
            f"It ends in our key {ends_in.info.name}, which is {ends_in.state}: have"
            f" whoever sold it extend it to {names}."
        )
    return f"Have its present owner extend it to our key {names}."
