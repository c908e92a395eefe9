"""A key that is refused by hand is released to no more, whatever it was before."""

import hashlib
from pathlib import Path

import pytest

from onboarding.services.errors import Problem
from onboarding.store.ek_refusals import EkRefusal
from tests.support.databases import NewDatabase
from tests.support.owner_bench import NOW, owner_bench

EK = hashlib.sha256(b"ek").digest()  # as the bench binds it


def test_a_refusal_shuts_the_gate_of_a_binding_that_stands(
    tmp_path: Path, databases: NewDatabase
) -> None:
    with owner_bench(tmp_path, databases=databases) as bench:
        bench.assign()
        bench.appraise()
        assert "ticket" in bench.ask()
        refusals = bench.context.stores.ek_refusals
        refusals.add(EkRefusal(EK, "lost", NOW, "test"))
        with pytest.raises(Problem, match="EK class is refused"):
            bench.ask()
        refusals.remove(EK, "test", NOW)
        assert "ticket" in bench.ask()
