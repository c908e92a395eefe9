"""The trust store of endorsement keys and its versions, on both databases."""

import hashlib
import json
from dataclasses import replace

import pytest

from attestation.ek_bundle import EkBundle
from attestation.errors import PolicyError
from onboarding.services.ek_trust import (
    distrusting,
    dropping_crl,
    importing,
    listing,
    trusting,
)
from onboarding.services.roots import REREAD_SECONDS, HeldTrust
from onboarding.store.database import Database
from onboarding.store.ek_trust import EkTrustStore
from onboarding.store.ek_trust_records import EkTrustCause, EkTrustChange
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.settings_rows import SettingStore
from tests.support.ek_authority import TpmVendor, der
from tests.support.store_records import ACTOR, NOW

FIRST, SECOND, BY_HAND = TpmVendor(), TpmVendor(), TpmVendor()
OLD = EkBundle.of("vendors", "1", map(der, FIRST.store), [FIRST.root.crl()])
NEW = EkBundle.of("vendors", "2", map(der, SECOND.store), [SECOND.root.crl()])


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Changes:
    """A store, and changes made to it one after the other."""

    def __init__(self, database: Database) -> None:
        self.store = EkTrustStore(database)

    def apply(self, change: EkTrustChange, why: str = "") -> bytes:
        before = self.store.state().digest
        return self.store.apply(change, before, ACTOR, NOW, why).digest

    def bundle(self, bundle: EkBundle) -> bytes:
        return self.apply(importing(self.store.state(), bundle, ACTOR, NOW))

    def trust(self, vendor: TpmVendor) -> bytes:
        ders = map(der, vendor.store)
        return self.apply(trusting(self.store.state(), ders, ACTOR, NOW))


@pytest.fixture
def changes(database: Database) -> Changes:
    return Changes(database)


def test_a_store_of_a_bundle_alone_is_named_as_the_bundle(changes: Changes) -> None:
    assert changes.store.state().number == 0
    assert changes.bundle(OLD) == OLD.digest == changes.store.state().digest


def test_a_bundle_replaces_the_one_before_and_leaves_what_is_by_hand(
    changes: Changes,
) -> None:
    changes.bundle(OLD)
    changes.trust(BY_HAND)
    changes.bundle(NEW)
    state = changes.store.state()
    here = {one.certificate for one in state.roots}
    assert here == set(map(der, (*SECOND.store, *BY_HAND.store)))
    assert [one.crl for one in state.crls] == list(NEW.crls)
    newest, *_ = changes.store.versions().items
    assert (newest.number, newest.cause) == (3, EkTrustCause.BUNDLE)
    assert newest.bundle is not None
    assert (newest.bundle.version, newest.bundle.digest) == ("2", NEW.digest)
    assert len(newest.added) == len(newest.removed) == 3
    assert newest.digest == state.digest
    assert newest == changes.store.version(3)


def test_each_change_is_one_version_and_one_event(
    changes: Changes, database: Database
) -> None:
    made = changes.trust(FIRST)
    event, *_ = EventLog(database).page().items
    assert (event.cause, event.evidence_digest) == ("ek_trust.changed", made)
    root = digest(der(FIRST.root.certificate))
    crl = FIRST.root.crl()
    changes.apply(listing(changes.store.state(), [crl], ACTOR, NOW))
    changes.apply(distrusting(changes.store.state(), root), "its maker was sold")
    log = EventLog(database).page().items
    assert [one.cause for one in log] == ["ek_trust.changed"] * 3
    said = json.loads(log[0].detail)
    assert (log[0].actor, said["reason"]) == (ACTOR, "its maker was sold")
    subject = FIRST.root.certificate.subject.rfc4514_string()
    assert all(subject in json.loads(one.detail)["names"] for one in (log[0], event))
    newest, before, _ = changes.store.versions().items
    assert before.cause is EkTrustCause.CRLS
    assert {one for one, _ in newest.removed} == {root.hex(), digest(crl).hex()}
    assert changes.store.state().crls == ()
    first = changes.store.versions(limit=2)
    rest = changes.store.versions(first.cursor, 2)
    assert [one.number for one in (*first.items, *rest.items)] == [3, 2, 1]
    assert rest.cursor is None


def test_a_crl_gives_way_to_a_newer_one_only(changes: Changes) -> None:
    changes.trust(FIRST)
    old = FIRST.issuer.crl(days=(-20, 10), number=1)
    new = FIRST.issuer.crl(days=(-1, 30), number=2)
    for crl in (old, FIRST.root.crl(), new):
        changes.apply(listing(changes.store.state(), [crl], ACTOR, NOW))
    state = changes.store.state()
    assert new in [one.crl for one in state.crls]
    assert old not in [one.crl for one in state.crls]
    assert listing(state, [new], ACTOR, NOW).is_empty
    with pytest.raises(PolicyError, match="newer CRL"):
        listing(state, [old], ACTOR, NOW)
    late = EkBundle.of("late", "1", map(der, FIRST.store), [old])
    assert importing(state, late, ACTOR, NOW).is_empty
    changes.apply(dropping_crl(state, digest(new)))
    assert len(changes.store.state().crls) == 1


def test_what_is_not_there_cannot_go(changes: Changes) -> None:
    state = changes.store.state()
    for plan in (distrusting, dropping_crl):
        with pytest.raises(NotFound):
            plan(state, bytes(32))
    with pytest.raises(NotFound):
        changes.store.version(1)


def test_a_change_made_for_another_store_is_not_made(changes: Changes) -> None:
    state = changes.store.state()
    change = trusting(state, map(der, FIRST.store), ACTOR, NOW)
    changes.trust(SECOND)
    with pytest.raises(Conflict):
        changes.store.apply(change, state.digest, ACTOR, NOW)
    now = changes.store.state().digest
    with pytest.raises(InvalidRecord):
        changes.store.apply(EkTrustChange(EkTrustCause.TRUSTED), now, ACTOR, NOW)
    odd = replace(change, roots=(replace(change.roots[0], certificate=b""),))
    with pytest.raises(InvalidRecord):
        changes.store.apply(odd, now, ACTOR, NOW)


def test_who_judges_reads_the_store_anew_after_a_while(
    changes: Changes, database: Database
) -> None:
    seconds = [0.0]
    held = HeldTrust(
        changes.store,
        SettingStore(database),
        crls_required=True,
        clock=lambda: seconds[0],
    )
    assert held.get().digest == changes.store.state().digest
    changes.bundle(OLD)
    assert held.get().certificates == ()
    seconds[0] = REREAD_SECONDS
    found = held.get()
    assert (found.digest, len(found.crls), found.crls_required) == (OLD.digest, 1, True)
    seconds[0] = 3 * REREAD_SECONDS
    assert held.get() is found
