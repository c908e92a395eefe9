"""Machines that run things while a kernel measures: lists, and policies for them."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attestation.keylime.tpm_policy import PcrPolicy
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import read_runtime_policy
from tests.support.attesting import hold_to
from tests.support.ima_lists import Measured
from tests.support.owner_bench import OwnerBench

if TYPE_CHECKING:
    from hw.tpm import Tpm


def runtime_policy(allowed: Sequence[Measured]) -> bytes:
    document = {
        "meta": {"version": 1, "generator": 3},
        "release": 0,
        "digests": {one.name.decode(): [one.digest.hex()] for one in allowed},
        "excludes": [],
        "keyrings": {},
        "ima": {"ignored_keyrings": [], "log_hash_alg": "sha1", "dm_policy": None},
        "ima-buf": {},
        "verification-keys": "",
    }
    return json.dumps(document).encode()


def run(tpm: "Tpm", entries: Sequence[Measured]) -> None:
    """Measure as the kernel does: the template data, hashed for each bank."""
    for one in entries:
        tpm.extend(10, one.data)


def listed(*entries: Measured) -> bytes:
    return b"".join(one.line() for one in entries)


def hold_to_list(
    bench: OwnerBench, pcrs: PcrPolicy, body: bytes, version: int = 1
) -> None:
    """Hold the bench's device to PCR values and to a runtime policy."""
    bench.context.stores.runtime_policies.add(body, "test", bench.context.now())
    pinned = {pcr: tuple(values) for pcr, values in pcrs.items()}
    digest = read_runtime_policy(body)
    made = AttestationPolicy(
        "ran", version, pinned, lease_seconds=600, runtime_policy=digest
    )
    hold_to(bench, made)
