"""Stock Keylime agents, adopted.

The agent registers by itself, with an attestation key of its own making. What makes its
word that of our device is the EK: the registrar has tied the AK to it, and it has to
be the one that was bound, or that the manufacturer's passport names.
"""

import hashlib
import hmac
from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.binding import BindingClass
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkVerdict
from attestation.keylime.client import KeylimeClient
from attestation.keylime.results import RegisteredAgent
from attestation.passport import Passport, key_digest
from hw.algorithms import KeyAlg
from hw.errors import HwError
from hw.public_area import PublicArea
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.gate import Situation
from onboarding.services.passports import StoredPassport
from onboarding.services.roots import AcceptedEks, HeldTrust, RefusedEks
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import NotFound
from ownership_vouchers.types import Guid


@dataclass(frozen=True, slots=True)
class Reported:
    """Digests of keys as somebody read them off the device; empty: nobody did.

    SHA-256 of the SubjectPublicKeyInfo.
    """

    ek: bytes = b""
    ak: bytes = b""


@dataclass(frozen=True, slots=True)
class _Judged:
    """Fields of a binding record, named as there."""

    klass: str
    ek_class: str
    ek_reasons: tuple[str, ...]
    ek_notes: tuple[tuple[str, str], ...]
    ek_trust_digest: bytes | None


class Adoption:
    """Takes what the registrar has of an agent for a device's, if it is that TPM."""

    def __init__(self, context: Context, client: KeylimeClient) -> None:
        self._context = context
        self._client = client

    def bind(
        self,
        situation: Situation,
        reported: Reported,
        actor: str,
        channel: Channel = Channel.PULL,
    ) -> None:
        """Bind the device to the keys that its agent has registered.

        The same again is no change.

        Args:
            channel: Whether the verifier calls the agent, or the agent the verifier.

        Raises:
            Problem: 409, 403; there is no agent, or it is another TPM's.
            KeylimeError: The registrar does not answer.
            EkInUse: The TPM is bound to another live device.
        """
        entry = registered(self._client, str(situation.guid))
        ek, ak = _keys(entry)
        old = situation.binding
        _require_login(channel, ak)
        passport = self._passport(situation.guid)
        self._require_same(old, passport, reported, ek, ak)
        if old is not None and old.channel == channel.value and is_bound(old, entry):
            return
        judged = self._judged(old, entry, ek, passport)
        record = BindingRecord(
            situation.guid.raw,
            entry.ek_public,
            entry.ek_certificate,
            key_digest(ek.key),
            judged.ek_class,
            judged.ek_reasons,
            entry.ak_public,
            "rsa" if ak.type is KeyAlg.RSA else "ecc",
            channel.value,
            judged.klass,
            _passport_digest(self._context, situation.guid),
            self._context.now(),
            judged.ek_notes,
            judged.ek_trust_digest,
        )
        self._context.stores.bindings.put(record, actor)

    def _require_same(
        self,
        old: BindingRecord | None,
        passport: Passport | None,
        reported: Reported,
        ek: PublicArea,
        ak: PublicArea,
    ) -> None:
        """Refuse an EK that nothing vouches for, or any key other than was said."""
        digest = key_digest(ek.key)
        said = [reported.ek] if reported.ek else []
        said += [] if old is None else [old.ek_digest]
        said += [] if passport is None else [passport.ek_digest]
        if not said:
            raise refused("nothing says which EK this device has")
        if not all(hmac.compare_digest(one, digest) for one in said):
            raise refused("the registrar has another EK than was bound or reported")
        if reported.ak and not hmac.compare_digest(reported.ak, key_digest(ak.key)):
            raise refused("the registrar has another AK than was reported")

    def _judged(
        self,
        old: BindingRecord | None,
        entry: RegisteredAgent,
        ek: PublicArea,
        passport: Passport | None,
    ) -> "_Judged":
        """What the binding is worth, and the EK.

        An EK that was bound in TO2 was judged there, with all that came along.
        """
        same = old is not None and hmac.compare_digest(old.ek_public, entry.ek_public)
        if old is not None and same and old.ek_class != EkClass.REFUSED:
            return _Judged(
                old.klass,
                old.ek_class,
                old.ek_reasons,
                old.ek_notes,
                old.ek_trust_digest,
            )
        verdict = self._verdict(entry, ek, passport)
        if verdict.klass is EkClass.REFUSED:
            raise refused(verdict.reasons[0].sentence)
        return _Judged(
            BindingClass.KEY_OUTSIDE_TPM.value,
            verdict.klass.value,
            tuple(one.sentence for one in verdict.reasons),
            tuple((one.code.value, one.sentence) for one in verdict.notes),
            verdict.store or None,
        )

    def _verdict(
        self, entry: RegisteredAgent, ek: PublicArea, passport: Passport | None
    ) -> EkVerdict:
        stores = self._context.stores
        evidence = EkEvidence(ek.key, entry.ek_certificate)
        required = self._context.settings.ek_crls_required
        held = HeldTrust(stores.ek_trust, stores.settings, crls_required=required)
        accepted = AcceptedEks(stores.ek_acceptances)
        refused = RefusedEks(stores.ek_refusals)
        now = self._context.now()
        return judge(evidence, held.get(), passport, now, accepted, refused)

    def _passport(self, guid: Guid) -> Passport | None:
        stored = _stored_passport(self._context, guid)
        return None if stored is None else StoredPassport.decode(stored).open()


def registered(client: KeylimeClient, agent: str) -> RegisteredAgent:
    """What the registrar has of an agent. Raises Problem (409)."""
    entry = client.registered(agent)
    if entry is None:
        raise Problem(
            409,
            "agent-not-registered",
            "No Keylime agent of this device is registered.",
            remedy="Start its agent with the GUID as its uuid, and see that it reaches"
            " the registrar.",
        )
    return entry


def is_bound(binding: BindingRecord, entry: RegisteredAgent) -> bool:
    """Whether the registrar has exactly the EK and AK that were bound."""
    same_ek = hmac.compare_digest(binding.ek_public, entry.ek_public)
    return same_ek and hmac.compare_digest(binding.ak_public, entry.ak_public)


def _keys(entry: RegisteredAgent) -> tuple[PublicArea, PublicArea]:
    try:
        ek = PublicArea.from_bytes(entry.ek_public)
        ak = PublicArea.from_bytes(entry.ak_public)
        ak.require_attestation_key()
    except HwError as error:
        raise refused(f"the registrar has no usable keys: {error}") from error
    return ek, ak


def _require_login(channel: Channel, ak: PublicArea) -> None:
    """Push agents log in to the verifier, which takes only RSA keys for that."""
    if channel is Channel.PUSH and ak.type is not KeyAlg.RSA:
        raise refused("its AK is no RSA key, and with another it cannot log in")


def _stored_passport(context: Context, guid: Guid) -> bytes | None:
    try:
        return context.stores.vouchers.get(guid.raw).passport
    except NotFound:
        return None


def _passport_digest(context: Context, guid: Guid) -> bytes | None:
    stored = _stored_passport(context, guid)
    if stored is None:
        return None
    return hashlib.sha256(StoredPassport.decode(stored).document).digest()


def refused(why: str) -> Problem:
    """Say why an agent does not speak for a device (403)."""
    return Problem(
        403,
        "other-keys",
        f"This agent is not adopted: {why}.",
        remedy="See whose agent it is before anything else.",
    )
