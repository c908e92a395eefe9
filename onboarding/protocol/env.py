"""All that a server role may learn from outside, one Env per role.

Nothing here is asked from the system: a test can fix every part. ``random`` is
`secrets.token_bytes` in production, ``now`` seconds since 1970, UTC.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509

from onboarding.protocol.ciphers import AEADS, CipherSuite
from onboarding.protocol.kex import NewDhKey, NewKexKey
from onboarding.protocol.kex.group import new_dh_key
from onboarding.protocol.modules import ModulePlan
from onboarding.protocol.registration import USUAL_TERMS, Registration, Terms
from ownership_vouchers.algorithms import OwnerKey, Signer, VerifyKey
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, HashType
from ownership_vouchers.verify import VerifiedVoucher
from ownership_vouchers.voucher import Header


@dataclass(frozen=True, slots=True)
class DiServerEnv:
    """The manufacturer in DI, at one production line.

    ``rv_info`` returns what devices of a device info are told to try.
    ``manufacturer_key`` returns the public key to write into the voucher for the
    type and encoding the device asked for, and the device's own key; None if there
    is none.
    ``issue`` returns the certificate chain of a device key, leaf first, as DER.
    ``known_key`` returns the key that the factory knows a device by, which sends none.
    ``admit`` raises what refuses a serial number with its device key.
    ``bare_cose_key`` says which models, by their device info, read no COSE_Key but
    one without ``kty``.
    """

    now: int
    random: Callable[[int], bytes] = field(repr=False)
    rv_info: Callable[[str], RendezvousInfo]
    manufacturer_key: Callable[[KeyType, KeyEncoding, VerifyKey], PublicKey | None]
    issue: Callable[[VerifyKey, str], tuple[bytes, ...]]
    known_key: Callable[[str], VerifyKey | None] = lambda _name: None
    admit: Callable[[str, VerifyKey], None] = lambda _serial, _key: None
    line: str = ""
    station: str = ""
    bare_cose_key: Callable[[str], bool] = lambda _device_info: False


@dataclass(frozen=True, slots=True)
class To0RendezvousEnv:
    """The rendezvous server in TO0.

    ``find_registration`` returns the live registration of a GUID.
    ``device_roots`` None trusts whichever root a voucher's chain ends in;
    ``objection`` is what the operator has against a manufacturer's key, or else an
    owner's, in words for the log; None admits both.
    """

    now: int
    random: Callable[[int], bytes] = field(repr=False)
    find_registration: Callable[[Guid], Registration | None]
    terms: Terms = USUAL_TERMS
    device_roots: Sequence[x509.Certificate] | None = None
    objection: Callable[[PublicKey, PublicKey], str | None] = lambda _maker, _owner: (
        None
    )


@dataclass(frozen=True, slots=True)
class To1RendezvousEnv:
    """The rendezvous server in TO1.

    ``find_registration`` raises `errors.NotServed` for one that the operator denies.
    """

    random: Callable[[int], bytes] = field(repr=False)
    find_registration: Callable[[Guid], Registration | None]


@dataclass(frozen=True, slots=True)
class Replacement:
    """What the device is to be given in place of its credential.

    ``owner_key`` is Owner2Key, ``signer`` its private half. The new GUID is drawn
    in each run.
    """

    rv_info: RendezvousInfo
    owner_key: PublicKey
    signer: Signer = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnedVoucher:
    """A verified voucher of ours, cut up once for all the runs that use it.

    ``replacement`` None reuses the device's credential.
    """

    header: Header
    hmac_raw: bytes
    hash_type: HashType
    entries: tuple[bytes, ...] = field(repr=False)
    cert_chain: tuple[bytes, ...] = field(repr=False)
    device_key: VerifyKey
    owner_key: PublicKey
    signer: OwnerKey = field(repr=False)
    replacement: Replacement | None

    @classmethod
    def of(
        cls,
        verified: VerifiedVoucher,
        signer: OwnerKey,
        replacement: Replacement | None = None,
    ) -> Self:
        """Prepare ``verified`` for TO2; ``signer`` is its last owner's key."""
        voucher = verified.voucher
        return cls(
            voucher.header,
            voucher.hmac_raw,
            voucher.hmac.type.plain,
            tuple(entry.raw for entry in voucher.entries),
            voucher.cert_chain or (),
            voucher.device_key,
            voucher.owner_key,
            signer,
            replacement,
        )

    @property
    def guid(self) -> Guid:
        return self.header.guid


@dataclass(frozen=True, slots=True)
class ServiceInfoLimits:
    """How much one TO2 may cost us after the device has proved itself."""

    rounds: int = 20_000
    received: int = 16 * 1024 * 1024  # bytes of 68, all together
    seconds: int = 3600
    message: int | None = None  # bytes of one 68, as 67 says; None: the default


@dataclass(frozen=True, slots=True)
class To2OwnerEnv:
    """The owner in TO2.

    ``find_voucher`` should answer from a cache: it is asked in 60, 62 and 64 and
    again in 70. ``modules`` returns a device's modules: with None, those that a run
    begins with in 66; with the id of a plan, the same ones again for each 68.
    ``ciphers`` are those that a device may choose from; ``asymkex`` is whether it may
    encrypt to an owner's RSA key, which has no forward secrecy.
    """

    now: int
    random: Callable[[int], bytes] = field(repr=False)
    new_kex_key: NewKexKey = field(repr=False)
    find_voucher: Callable[[Guid], OwnedVoucher | None]
    modules: Callable[[Guid, str | None], ModulePlan]
    limits: ServiceInfoLimits = ServiceInfoLimits()
    new_dh_key: NewDhKey = field(default=new_dh_key, repr=False)
    ciphers: frozenset[CipherSuite] = AEADS
    asymkex: bool = True
