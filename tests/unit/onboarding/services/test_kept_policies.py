"""Policies that a verifier was told, read back: how often, and what is made of it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from attestation.appraisal import Channel
from attestation.keylime.errors import NotStored
from attestation.keylime.held import HeldTo
from attestation.runtime_policy import read_runtime_policy
from onboarding.services.kept_policies import SECONDS, KeptPolicies
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured
from tests.support.owner_bench import NOW, OwnerBench, owner_bench
from tests.support.running import runtime_policy

BODY = runtime_policy((Measured(b"boot_aggregate"),))
HELD = HeldTo("ab" * 32, read_runtime_policy(BODY))


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases=databases) as made:
        made.context.stores.runtime_policies.add(BODY, "test", NOW)
        yield made


class Keylime:
    """What a verifier answers that keeps ``body`` under any name."""

    def __init__(self, body: bytes | None) -> None:
        self.body, self.asked = body, 0

    def verifier(
        self,
        method: str,
        path: str,
        accepted: set[int],
        body: Mapping[str, object] | None = None,
        limit: int = 0,
    ) -> tuple[int, bytes]:
        assert (method, body) == ("GET", None)
        assert path == f"/v2.6/allowlists/{HELD.runtime_name}"
        self.asked += 1
        if self.body is None:
            return 404, b"{}"
        kept = {"results": {"runtime_policy": self.body.decode()}}
        return 200, json.dumps(kept).encode()


def require(bench: OwnerBench, kept: KeptPolicies, keylime: Keylime) -> None:
    kept.require(bench.context.stores, keylime, Channel.PULL, HELD)


def test_it_is_read_back_once_in_a_while(bench: OwnerBench) -> None:
    clock, keylime = [0.0], Keylime(BODY)
    kept = KeptPolicies(lambda: clock[0])
    for clock[0] in (0.0, SECONDS - 1):
        require(bench, kept, keylime)
    assert keylime.asked == 1
    clock[0] = SECONDS
    require(bench, kept, keylime)
    assert keylime.asked == 2


@pytest.mark.parametrize("body", [None, runtime_policy(())], ids=["nothing", "another"])
def test_what_is_not_there_is_asked_for_each_time(
    bench: OwnerBench, body: bytes | None
) -> None:
    kept, keylime = KeptPolicies(), Keylime(body)
    for asked in (1, 2):
        with pytest.raises(NotStored):
            require(bench, kept, keylime)
        assert keylime.asked == asked
    keylime.body = BODY
    require(bench, kept, keylime)
