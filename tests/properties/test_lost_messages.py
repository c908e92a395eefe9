"""Whatever is lost, and whenever: an owner and its device never lose each other.

The owner's store is the real one, the device's memory too; only the messages between
them are left out.
"""

import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from onboarding.device.credential import Identity, Owner
from onboarding.protocol.device_env import DeviceCredential
from onboarding.store.database import Database
from onboarding.store.errors import NotFound
from onboarding.store.lineage import LineageStore, Standing
from onboarding.store.vouchers import VoucherStore
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.store_records import ACTOR, NOW, voucher

OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://owner")
KEY_HASH = Hash.of(HashType.SHA256, b"key")
LOST = st.sampled_from(["nothing", "70", "71"])


def credential(guid: bytes) -> DeviceCredential:
    return DeviceCredential(Guid(guid), "board", cbor.encode([]), KEY_HASH)


class Lossy(RuleBasedStateMachine):
    """One device, bought and onboarded again and again over a bad line.

    ``own`` says whether it is ours, which keeps two credentials, or another maker's,
    which has one and changes it after 71.
    """

    own = True
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.store = VoucherStore(self.database)
        self.lineage = LineageStore(self.database)
        first = secrets.token_bytes(16)
        self.store.add(voucher(first), ACTOR)
        self.identity = Identity(credential(first))
        self.at = NOW

    @property
    def candidates(self) -> list[DeviceCredential]:
        if self.own:
            return [*self.identity.candidates()]
        return [self.identity.active]

    def _known(self, one: DeviceCredential, entries: int) -> bool:
        try:
            return len(self.store.get(one.guid.raw).entry_digests) >= entries
        except NotFound:
            return False

    @rule(lost=LOST, reuse=st.booleans())
    def onboard(self, lost: str, reuse: bool) -> None:
        """TO2 under the first credential that the owner takes."""
        usable = [one for one in self.candidates if self._known(one, entries=1)]
        if not usable:
            return
        used = usable[0]
        new = None if reuse else credential(secrets.token_bytes(16))
        if new is not None:
            self.identity = self.identity.awaiting(used, new, OWNER)
        if lost == "70":
            return
        self._commit(used, new)
        if lost == "71":
            return
        if new is None:
            self.identity = self.identity.reused(used, OWNER)
        else:
            self.identity = self.identity.taken()

    def _commit(self, used: DeviceCredential, new: DeviceCredential | None) -> None:
        self.at += 1
        record = None if new is None else voucher(new.guid.raw, owners=())
        run = secrets.token_bytes(16)
        self.store.take_ownership(used.guid.raw, record, b"", b"", self.at, run_id=run)

    @rule()
    def sign_a_request(self) -> None:
        """The device speaks to its owner under the credential that is its own."""
        active = self.identity.active
        if not self.own or self.identity.owner is None or not self._known(active, 0):
            return
        if self.lineage.of(active.guid.raw)[0].guid == active.guid.raw:
            self.store.confirm(active.guid.raw)

    @rule()
    def extend(self) -> None:
        """The operator signs the live voucher over to the same owner again."""
        for one in self.candidates:
            if self._known(one, 0):
                live = self.lineage.of(one.guid.raw)[0]
                if live.entries == 0:
                    self.store.add(voucher(live.guid, owners=("owner",)), ACTOR)
                return

    @invariant()
    def the_owner_knows_a_credential_of_the_device(self) -> None:
        assert any(self._known(one, 0) for one in self.candidates)

    @invariant()
    def there_is_one_live_voucher(self) -> None:
        known = next(one for one in self.candidates if self._known(one, 0))
        standing = [one.standing for one in self.lineage.of(known.guid.raw)]
        assert standing.count(Standing.LIVE) == 1
        assert standing[0] is Standing.LIVE
        assert len(standing) <= 4


class LossyForeign(Lossy):
    own = False

    @invariant()
    def a_device_of_another_maker_is_taken_after_any_loss(self) -> None:
        """It is never confirmed, so what it has is served, or live."""
        assert self._known(self.identity.active, 0)


@pytest.mark.parametrize("machine", [Lossy, LossyForeign])
def test_no_loss_of_messages_parts_an_owner_from_its_device(
    machine: type[Lossy], tmp_path: Path
) -> None:
    """Every example is a device of its own in one database: to make one takes time."""
    machine.database = Database(f"sqlite:///{tmp_path}/lossy.db")
    machine.database.migrate()
    steps = settings(deadline=None, max_examples=40, stateful_step_count=15)
    run_state_machine_as_test(machine, settings=steps)
    machine.database.close()
