"""The device key and the HMAC key of FDO, and a key for the owner, inside the TPM.

All are primaries that cannot leave the TPM, each under the policy that whoever uses
the key also commands its *unique string*, an NV index from which the key follows: write
another string and the key is another one. None survives a copy to another TPM.

A new key is *staged* at a spare handle, where it works, while the old one stays in its
place; once something durable names the new key, it is *settled* there. Cut off at any
instant, both are at hand: a key that is nowhere is made again from what names it.
Source: FDO Alliance, "Securing FDO Credentials in the TPM" (handles, NV indices,
attributes, policy). Spare handles and the owner's place are beyond those named there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hw.key_ref import KeyRef, Kind, unique_size
from hw.tpm_nv import nv_read, nv_write
from hw.tpm_primary import (
    POLICY_ATTRIBUTES,
    make_persistent,
    name_at,
    remove_persistent,
    template,
)
from hw.tss import ESYS_TR, TPM2_EO, TPM2B_PUBLIC, Link


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key of one purpose lives."""

    what: str
    handle: int  # persistent
    spare: int  # persistent, for one that is staged
    unique_index: int  # NV


DEVICE = Place("device key", 0x81020002, 0x81020012, 0x01D10004)
HMAC = Place("HMAC key", 0x81020003, 0x81020013, 0x01D10003)
OWNER = Place("owner's key", 0x81020010, 0x81020014, 0x01D10010)


def stage(link: Link, place: Place, kind: Kind) -> KeyRef:
    """Make a new key beside the one in its place."""
    with link.use(f"create {place.what}") as esys:
        size = unique_size(kind)
        unique = b"".join(bytes(esys.get_random(32)) for _ in range(size // 32))
        public = _template(link, place, kind, unique)
        return KeyRef(kind, unique, make_persistent(link, public, place.spare))


def settle(link: Link, place: Place, ref: KeyRef) -> None:
    """Put the key in its place, with its unique string, in place of any other.

    Does nothing more than look when it is there: so it may be called to be sure.

    Raises:
        TpmError: The key is another TPM's, or the TPM refuses.
    """
    if name_at(link, place.handle) != ref.name:
        public = _template(link, place, ref.kind, ref.unique)
        make_persistent(link, public, place.handle, ref.name)
    stored = nv_read(link, place.unique_index)
    if stored is None or not stored.startswith(ref.unique):
        nv_write(link, place.unique_index, ref.unique)
    if name_at(link, place.spare) == ref.name:
        remove_persistent(link, place.spare)


def find(link: Link, place: Place, ref: KeyRef | None) -> int:
    """The persistent handle at which the key can be used; made again if need be.

    None means whatever is in the place.

    Raises:
        TpmError: There is none, or it is another TPM's.
    """
    if ref is None:
        link.require(place.handle, place.what)
        return place.handle
    for handle in (place.handle, place.spare):
        if name_at(link, handle) == ref.name:
            return handle
    public = _template(link, place, ref.kind, ref.unique)
    make_persistent(link, public, place.spare, ref.name)
    return place.spare


def _template(link: Link, place: Place, kind: Kind, unique: bytes) -> TPM2B_PUBLIC:
    """The policy names the index but not its content, which may be the old string."""
    if nv_read(link, place.unique_index) is None:
        nv_write(link, place.unique_index, unique)
    with link.use(f"create {place.what}") as esys:
        with authorised(link, place, trial=True) as session:
            policy = bytes(esys.policy_get_digest(session))
    return template(kind, POLICY_ATTRIBUTES, policy, unique)


@contextmanager
def authorised(link: Link, place: Place, trial: bool = False) -> Iterator[ESYS_TR]:
    """A session in which the keys' policy holds: the unique string can be commanded."""
    with link.policy_session(trial) as session:
        with link.use(f"authorise {place.what}") as esys:
            unique = link.require(place.unique_index, "unique string")
            esys.policy_nv(unique, unique, session, b"\0", TPM2_EO.UNSIGNED_GE, 0)
            esys.policy_secret(unique, session, b"", b"", b"", 0)
        yield session
