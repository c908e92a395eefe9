"""Who takes over from whom, and which key speaks to which device."""

from pathlib import Path

import pytest

from attestation.device_auth import Purpose
from onboarding.services.errors import Problem
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from onboarding.services.owner_keys import OwnerKeys, Word
from onboarding.services.sale import sold
from onboarding.store.database import Database
from onboarding.store.owner_keys import KeyState, OwnerKeyStore
from ownership_vouchers.keys import PublicKey
from tests.support.databases import NewDatabase
from tests.support.owner_bench import owner_bench

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
WORD = Word("yearly", "test", 1)


@pytest.fixture
def keys(database: Database) -> OwnerKeys:
    return OwnerKeys(OwnerKeyStore(database))


def test_a_key_of_which_nothing_was_said_is_active(keys: OwnerKeys) -> None:
    assert keys.standing(A).state is KeyState.ACTIVE
    assert keys.successor(A) is None


def test_the_last_of_several_successors_takes_over(keys: OwnerKeys) -> None:
    before = keys.mark
    keys.rotate(A, B, WORD)
    assert keys.successor(A) == B
    keys.rotate(B, C, WORD)
    assert keys.successor(A) == keys.successor(B) == C
    assert keys.mark != before


def test_a_successor_that_was_retired_hands_on_to_its_own(keys: OwnerKeys) -> None:
    keys.rotate(A, B, WORD)
    keys.rotate(B, C, WORD)
    keys.retire(B, WORD, accept_loss=False)
    assert keys.successor(A) == C
    keys.reinstate(B, WORD)
    keys.reinstate(B, WORD)
    assert keys.successor(A) == B
    keys.retire(B, WORD, accept_loss=False)
    assert keys.successor(A) is None


def test_no_device_is_handed_to_a_successor_that_is_blocked(keys: OwnerKeys) -> None:
    keys.rotate(A, B, WORD)
    keys.revoke(B, WORD)
    assert keys.successor(A) is None
    assert keys.usable(A)


def test_keys_cannot_take_over_from_each_other_in_a_ring(keys: OwnerKeys) -> None:
    keys.rotate(A, B, WORD)
    with pytest.raises(Problem, match="is retiring: yearly"):
        keys.rotate(B, A, WORD)


def test_a_key_that_was_rotated_can_be_rotated_to_another(keys: OwnerKeys) -> None:
    keys.rotate(A, B, WORD)
    keys.rotate(A, C, WORD)
    assert keys.successor(A) == C


def test_a_blocked_key_comes_back_as_what_it_was(keys: OwnerKeys) -> None:
    with pytest.raises(Problem, match="is active"):
        keys.reinstate(A, WORD)
    keys.rotate(A, B, WORD)
    keys.revoke(A, WORD)
    keys.revoke(A, WORD)
    with pytest.raises(Problem, match="revoked"):
        keys.retire(A, WORD, accept_loss=True)
    assert keys.reinstate(A, WORD) is KeyState.RETIRING
    assert keys.successor(A) == B
    assert keys.reinstate(A, WORD) is KeyState.ACTIVE
    assert keys.standing(A).successor is None


def test_a_device_is_spoken_to_with_the_key_it_knows(
    tmp_path: Path, databases: NewDatabase
) -> None:
    with owner_bench(tmp_path, databases) as bench:
        context, guid = bench.context, bench.guid
        old = bench.owner
        store = context.key_store
        heir = store.create("z-heir", KeyKind.OWNER, KeyAlgorithm.P256)
        record = context.stores.vouchers.get(guid.raw)
        longer = sold(context, record, heir.public_pem)
        context.stores.vouchers.add(longer, "test", bought=True)
        # Its voucher is the heir's now, but only TO2 will tell the device.
        assert bench.call(Purpose.WORKLOAD).signer is old
        context.owner_keys.revoke(PublicKey.of(old.public_key).fingerprint(), WORD)
        with pytest.raises(Problem) as refused:
            _ = bench.call(Purpose.WORKLOAD).signer
        assert refused.value.code == "owner-key-missing"
        assert context.speaker() is context.signer(heir.fingerprint)
