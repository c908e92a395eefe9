"""What a rendezvous server keeps of one registered device, and what may replace it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.keys import load_spki
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.voucher import Voucher

load_device_key = lru_cache(maxsize=256)(load_spki)

ABSURD_SECONDS = 2**31  # 68 years; one peer always asks for twice that


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose device a registration says it is, by digests (SHA-256) alone.

    ``owner`` is the fingerprint of the key that signed it; entries oldest first.
    """

    owner: str
    header_digest: bytes
    entry_digests: tuple[bytes, ...]

    def objection(self, newer: Self) -> str | None:
        """Say why ``newer`` may not take this one's place while it lasts; or None.

        The same owner may, with a voucher as long; and whoever comes later in the
        chain that stands here. Who sold the device may not: its voucher is shorter.
        Source: FDO 1.1, section 5.3 (re-registration).
        """
        if newer.header_digest != self.header_digest:
            return "another voucher with that GUID is registered"
        count = len(self.entry_digests)
        if newer.entry_digests[:count] == self.entry_digests:
            return None
        if len(newer.entry_digests) < count:
            return (
                f"a voucher of {count} entries is registered, and this one has"
                f" {len(newer.entry_digests)}: the device was sold on since"
            )
        if newer.owner == self.owner:
            return None
        return "another owner is registered, and this voucher does not go on from its"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long registrations last, in seconds: at least, at most, and usually."""

    minimum: int = 1
    maximum: int = 7 * 24 * 3600
    usual: int = 7 * 24 * 3600

    def grant(self, asked: int) -> int:
        """Return what is granted; who asks for nothing sensible gets the usual."""
        if not 0 < asked < ABSURD_SECONDS:
            return self.usual
        return max(self.minimum, min(asked, self.maximum))


USUAL_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Registration:
    """A verified TO0 registration; ``to1d`` is given out unmodified.

    ``maker`` is the fingerprint of the manufacturer's key.
    """

    guid: Guid
    to1d: bytes
    device_spki: bytes
    owner_spki: bytes
    maker: str
    claim: Claim

    @classmethod
    def of(cls, voucher: Voucher, device_spki: bytes, to1d: bytes) -> Self:
        """Summarise ``voucher``, which the caller has verified."""
        owner = voucher.owner_key
        entries = tuple(_digest(entry.raw) for entry in voucher.entries)
        claim = Claim(owner.fingerprint(), _digest(voucher.header.raw), entries)
        maker = voucher.header.manufacturer_key.fingerprint()
        return cls(voucher.guid, to1d, device_spki, owner.spki, maker, claim)

    @property
    def device_key(self) -> VerifyKey:
        return load_device_key(self.device_spki)


def _digest(data: bytes) -> bytes:
    return Hash.of(HashType.SHA256, data).value
