"""The gate: facts from the store, the pure decision, and what follows from it."""

import hashlib
import secrets
from dataclasses import dataclass, field, replace

from attestation.binding import BindingClass
from attestation.decision import Allow
from attestation.device_identity import BoundIdentity, IdentityClass
from attestation.ek_trust import REFUSED_BY_HAND
from attestation.ek_verdict import EkClass
from attestation.errors import DocumentRefused
from attestation.facts import AssignedPolicy, Facts, Ownership
from attestation.manifest import Manifest, open_bundle, sign_bundle
from attestation.policy import AttestationPolicy, ReleasePolicy
from attestation.release import DecisionRecord
from attestation.ticket import Ticket, mint
from onboarding.services import rows
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.holding import Held, held_to
from onboarding.services.key_store import KeyKind
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.assignments import AssignmentRecord
from onboarding.store.bindings import BindingRecord
from onboarding.store.devices import DeviceRecord
from onboarding.store.errors import NotFound
from onboarding.store.manifests import ManifestRecord
from onboarding.store.policies import PolicyKind
from onboarding.store.releases import ReleaseRecord
from onboarding.store.standings import StandingRecord
from onboarding.store.state import Removal
from ownership_vouchers.algorithms import Signer
from ownership_vouchers.types import Guid

RELEASE_POLICY = "default"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored of a device and matters to whoever judges its evidence."""

    device: DeviceRecord
    binding: BindingRecord | None
    assignment: AssignmentRecord | None
    held: Held
    learning: bool  # it was asked to show what it is, and has not yet

    @property
    def policy(self) -> AttestationPolicy | None:
        """The policy that the device is held to."""
        return self.held.policy


@dataclass(frozen=True, slots=True)
class Situation(Standing):
    """All that is stored of a device and matters at the gate."""

    manifest: ManifestRecord | None
    appraisal: AppraisalRecord | None

    @property
    def guid(self) -> Guid:
        return Guid(self.device.guid)

    def facts(self) -> Facts:
        """The situation as a decision takes it; what is not known stays None."""
        binding, appraisal, held = self.binding, self.appraisal, self.held
        return Facts(
            self.guid,
            _ownership(self.device),
            None if binding is None else EkClass(binding.ek_class),
            None if binding is None else BindingClass(binding.klass),
            None if appraisal is None else rows.appraisal(appraisal),
            None if self.policy is None else AssignedPolicy.of(self.policy),
            self.device.labels,
            None if self.manifest is None else self.manifest.digest.hex(),
            ("device",) if self.device.frozen else (),
            not self._cleared(),
            None if held.update is None else held.update.window,
            None if binding is None else _certified(binding),
        )

    def _cleared(self) -> bool:
        """A withdrawal is over once removal is proven and a later appraisal passed."""
        withdrawn = self.device.facts.withdrawn_at
        if withdrawn is None:
            return True
        proven = self.device.removal is Removal.PROVEN
        good = self.appraisal is not None and self.appraisal.at >= withdrawn
        return proven and good and self.device.facts.appraisal_passed


def _judged(found: StandingRecord) -> BindingRecord | None:
    """As it was judged in TO2, unless its EK was refused by hand since."""
    if found.binding is None or not found.refused:
        return found.binding
    said = (REFUSED_BY_HAND.sentence,)
    return replace(found.binding, ek_class=EkClass.REFUSED.value, ek_reasons=said)


def _certified(binding: BindingRecord) -> bool:
    """Whether a maker that is trusted has certified the TPM's IAK."""
    if binding.identity is None:
        return False
    bound = BoundIdentity.decode(binding.identity)
    return bound.klass is IdentityClass.FACTORY_TRUSTED


def _ownership(device: DeviceRecord) -> Ownership:
    if device.facts.retired_at is not None:
        return Ownership.RETIRED
    owned = device.facts.owned_at is not None
    return Ownership.OWNED if owned else Ownership.NOT_YET


@dataclass(frozen=True, slots=True)
class Released:
    """What an allowed device gets; both signed by its owner's key."""

    ticket: bytes = field(repr=False)
    bundle: bytes = field(repr=False)


class Gate:
    """Decides, releases and withdraws for one owner."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def situation(self, guid: bytes) -> Situation:
        """Collect what is stored. Raises NotFound for a GUID no device ever had."""
        found = self.standing(guid)
        return Situation(
            found.device,
            found.binding,
            found.assignment,
            found.held,
            found.learning,
            self._manifest(found.assignment),
            self._concluded(found.device),
        )

    def standing(self, guid: bytes) -> Standing:
        """The part of it that attesting needs. Raises NotFound likewise."""
        stores = self._context.stores
        found = stores.standings.get(guid)
        held = held_to(stores, found, self._context.now())
        binding = _judged(found)
        return Standing(found.device, binding, found.assignment, held, found.learning)

    def decide(self, situation: Situation) -> DecisionRecord:
        """Decide at this moment, under the release policy in force."""
        with self._context.spans.span("decision", situation.guid.raw) as note:
            now = self._context.now()
            made = DecisionRecord.make(situation.facts(), self.release_policy(), now)
            said = type(made.decision).__name__.lower()
            note(decision=said)
            self._context.meters.decisions.labels(said).inc()
            return made

    def release_policy(self) -> ReleasePolicy:
        """The newest policy of kind release named ``default``, or the built-in one."""
        try:
            record = self._context.stores.policies.get(RELEASE_POLICY)
        except NotFound:
            return ReleasePolicy()
        if record.kind is not PolicyKind.RELEASE:
            return ReleasePolicy()
        return rows.release_policy(record)

    def record(self, made: DecisionRecord, actor: str) -> str:
        """Store a decision; return its id."""
        decision_id = secrets.token_hex(16)
        stored = rows.decision_record(made, decision_id)
        self._context.stores.decisions.add(stored, actor)
        return decision_id

    def release(
        self, situation: Situation, made: DecisionRecord, signer: Signer, actor: str
    ) -> Released:
        """Store an allowing decision, mint its ticket, and sign the bundle."""
        if not isinstance(made.decision, Allow) or situation.manifest is None:
            raise Problem(403, "release-denied", "The decision does not allow it.")
        manifest = situation.manifest
        with self._context.spans.span("release", situation.guid.raw) as note:
            note(manifest=manifest.digest.hex())
            decision_id = self.record(made, actor)
            expires = min(
                made.now + self._context.settings.release_ticket_seconds,
                made.decision.until,
            )
            ticket = mint(
                Ticket(
                    situation.guid,
                    manifest.digest.hex(),
                    made.now,
                    max(expires, made.now + 1),
                    decision_id,
                ),
                signer,
            )
            release = ReleaseRecord(
                decision_id,
                situation.device.guid,
                manifest.digest,
                hashlib.sha256(ticket).digest(),
                made.now,
            )
            self._context.stores.releases.grant(release, actor)
            self._context.meters.releases.inc()
            return Released(ticket, self._bundle(manifest, signer))

    def manifest_paths(self, digest: bytes) -> tuple[str, ...]:
        """Return the files of a stored manifest.

        Raises:
            NotFound: No manifest has that digest.
        """
        cursor: str | None = None
        while True:
            page = self._context.stores.manifests.page(cursor)
            for one in page.items:
                if one.digest == digest:
                    return self._opened(one).paths
            if page.cursor is None:
                raise NotFound(f"there is no manifest {digest.hex()}")
            cursor = page.cursor

    def _bundle(self, manifest: ManifestRecord, signer: Signer) -> bytes:
        """The manifest under the key that this device trusts: owners have several."""
        return sign_bundle(self._opened(manifest), signer)

    def _opened(self, manifest: ManifestRecord) -> Manifest:
        for key in self._context.keyrings[KeyKind.OWNER].public_keys():
            try:
                found = open_bundle(manifest.bundle, key.key, manifest.digest.hex())
            except DocumentRefused:
                continue  # another of our keys signed it
            return found.manifest
        raise Problem(
            503,
            "manifest-unsigned",
            "The manifest is not signed by any key of this owner.",
            remedy="Store the manifest again.",
        )

    def _manifest(self, assigned: AssignmentRecord | None) -> ManifestRecord | None:
        if assigned is None or assigned.manifest_name is None:
            return None
        version = assigned.manifest_version or ""
        return self._context.stores.manifests.get(assigned.manifest_name, version)

    def _concluded(self, device: DeviceRecord) -> AppraisalRecord | None:
        """The appraisal that the device's state rests on, good or bad.

        The store forgets it when the device is bound again: what another key
        quoted says nothing about this one.
        """
        at = device.facts.appraised_at
        if at is None:
            return self._not_checked(device)
        # Of two in the same second the failure counts.
        for outcome in (Outcome.FAILED, Outcome.PASSED):
            try:
                found = self._context.stores.appraisals.latest(device.guid, outcome)
            except NotFound:
                continue
            if found.at == at:
                return found
        return None

    def _not_checked(self, device: DeviceRecord) -> AppraisalRecord | None:
        """The newest in which nothing was compared, of the key that is bound now."""
        try:
            found = self._context.stores.appraisals.latest(
                device.guid, Outcome.NOT_CHECKED
            )
        except NotFound:
            return None
        return found if found.at >= (device.facts.bound_at or 0) else None
