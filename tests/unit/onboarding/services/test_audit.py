"""Checkpoints signed over a real log, and what they show of one that was rewritten."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import cbor2
import pytest

from attestation.audit_log import open_checkpoint
from onboarding.services import audit
from onboarding.services.audit import Checkpoints
from onboarding.services.errors import Problem
from onboarding.store.direct import Direct, Sql
from onboarding.store.errors import ChainBroken, NotFound
from onboarding.store.events import GENESIS, Event
from tests.support.databases import NewDatabase
from tests.support.owner_bench import OwnerBench, owner_bench
from tests.support.tampering import unguarded


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases) as made:
        yield made


def happen(bench: OwnerBench, cause: str = "test.made") -> None:
    bench.context.stores.events.append(Event(cause, "test", bench.context.now()))


def audited(bench: OwnerBench, *given: bytes) -> audit.Audited:
    stores = bench.context.stores
    keys = [bench.owner.public_key]
    return audit.verify(stores.events, stores.checkpoints, keys, given)


def rewrite(bench: OwnerBench) -> None:
    """Make the last event another one and compute the whole chain anew."""
    with unguarded(bench.context.database):
        _rewrite(bench.context.database.direct)


def _rewrite(direct: Direct) -> None:
    direct.count(Sql("UPDATE events SET cause = 'harmless' WHERE seq = 1"))
    rows = direct.rows(
        Sql(
            "SELECT seq, guid, cause, actor, at, evidence_digest, detail FROM events "
            "ORDER BY seq"
        )
    )
    previous = GENESIS
    for row in rows:
        made = hashlib.sha256(cbor2.dumps((previous, *row))).digest()
        change = Sql("UPDATE events SET previous = ?, digest = ? WHERE seq = ?")
        direct.count(change, (previous, made, row[0]))
        previous = made
    direct.count(Sql("UPDATE event_head SET digest = ?"), (previous,))


def test_a_checkpoint_is_signed_by_the_owners_key(bench: OwnerBench) -> None:
    happen(bench)
    record = audit.checkpoint(bench.context)
    said = open_checkpoint(record.document, bench.owner.public_key)
    head = bench.context.stores.events.verify_chain()
    assert (said.seq, said.digest, said.at) == (head.seq, head.digest, bench.clock.now)
    assert audited(bench, record.document) == audit.Audited(head, 1, 1)


def test_a_log_that_stands_still_is_signed_once(bench: OwnerBench) -> None:
    happen(bench)
    first = audit.checkpoint(bench.context)
    bench.clock.now += 10
    assert audit.checkpoint(bench.context) == first
    happen(bench)
    assert audit.checkpoint(bench.context).seq == first.seq + 1


def test_a_whole_new_chain_is_shown_by_a_checkpoint(bench: OwnerBench) -> None:
    happen(bench)
    kept = audit.checkpoint(bench.context).document
    rewrite(bench)
    assert bench.context.stores.events.verify_chain().seq  # the chain itself holds
    with pytest.raises(ChainBroken, match="another log"):
        audited(bench)
    bench.context.database.direct.count(Sql("DELETE FROM audit_checkpoints"))
    with pytest.raises(ChainBroken, match="another log"):
        audited(bench, kept)


def test_nothing_is_vouched_for_after_a_rewrite(bench: OwnerBench) -> None:
    happen(bench)
    audit.checkpoint(bench.context)
    rewrite(bench)
    happen(bench)
    with pytest.raises(ChainBroken, match="was altered"):
        audit.checkpoint(bench.context)


def _set(bench: OwnerBench, document: bytes) -> None:
    change = Sql("UPDATE audit_checkpoints SET document = ?")
    assert bench.context.database.direct.count(change, (document,)) == 1


def test_a_checkpoint_that_nobody_signed_is_shown(bench: OwnerBench) -> None:
    happen(bench)
    audit.checkpoint(bench.context)
    assert audited(bench).stored == 1
    _set(bench, b"\xd2\x84\x40\xa0\x40\x40")
    with pytest.raises(ChainBroken, match="a checkpoint is refused"):
        audited(bench)


def test_a_cut_tail_is_shown_by_a_checkpoint_kept_elsewhere(bench: OwnerBench) -> None:
    happen(bench)
    happen(bench)
    kept = audit.checkpoint(bench.context)
    direct = bench.context.database.direct
    (before,) = direct.one(Sql("SELECT previous FROM events ORDER BY seq DESC")) or ()
    with unguarded(bench.context.database):
        direct.count(Sql("DELETE FROM events WHERE seq = ?"), (kept.seq,))
    cut = Sql("UPDATE event_head SET seq = ?, digest = ?")
    direct.count(cut, (kept.seq - 1, before))
    direct.count(Sql("DELETE FROM audit_checkpoints"))
    assert audited(bench).head.seq == kept.seq - 1
    with pytest.raises(ChainBroken, match=f"event {kept.seq} was signed, and is miss"):
        audited(bench, kept.document)


def test_an_empty_log_gets_no_checkpoint(bench: OwnerBench) -> None:
    direct = bench.context.database.direct
    with unguarded(bench.context.database):
        direct.count(Sql("DELETE FROM events"))
    direct.count(Sql("UPDATE event_head SET seq = 0, digest = ?"), (GENESIS,))
    with pytest.raises(Problem, match="Nothing was logged yet"):
        audit.checkpoint(bench.context)


def test_a_service_signs_by_itself_when_it_is_time(
    bench: OwnerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LOOK_SECONDS", 0.01)
    happen(bench)
    store = bench.context.stores.checkpoints

    def newest() -> int:
        try:
            return store.latest().seq
        except NotFound:
            return 0

    async def until(wanted: int) -> None:
        async with (
            asyncio.timeout(20),
            asynccontextmanager(Checkpoints(bench.context).run)(),
        ):
            while newest() < wanted:
                await asyncio.sleep(0.01)

    asyncio.run(until(1))
    seq = newest()
    happen(bench)
    bench.clock.now += bench.context.settings.audit_checkpoint_seconds
    asyncio.run(until(seq + 1))
