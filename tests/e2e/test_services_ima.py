"""IMA lists over the evidence channel: a real TPM, real Keylime and its policy."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.keylime.stack import KeylimeStack
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import read_runtime_policy
from tests.support.attesting import (
    PCR,
    Attesting,
    attesting_device,
    failures,
    hold_to,
    measured,
)
from tests.support.ima_lists import Measured
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

GOOD = (
    Measured(b"boot_aggregate"),
    Measured(b"/usr/bin/bash", digest=bytes(32)),
    Measured(b"/usr/bin/app", digest=b"\1" * 32),
)
EVIL = Measured(b"/usr/bin/evil", digest=b"\2" * 32)


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


def listed(*entries: Measured) -> str:
    return b"".join(one.line() for one in entries).decode()


@pytest.fixture
def running(
    tmp_path: Path, keylime_stack: KeylimeStack, make_software_tpm: MakeSoftwareTpm
) -> Iterator[Attesting]:
    """A device that ran what its policy allows."""
    from hw.tpm import Tpm

    software = make_software_tpm(hashlib.sha256(bytes(tmp_path)).hexdigest()[:8])
    with Tpm(software.start()) as tpm:
        attester = measured(tpm)
        run(tpm, GOOD)
        with attesting_device(tmp_path, keylime_stack, attester) as device:
            body, stores = runtime_policy(GOOD), device.bench.context.stores
            stores.runtime_policies.add(body, "test", device.bench.context.now())
            digest = read_runtime_policy(body)
            pcrs = {pcr: tuple(values) for pcr, values in attester.allow(PCR).items()}
            hold_to(
                device.bench, AttestationPolicy("ran", 1, pcrs, runtime_policy=digest)
            )
            device.ima_log = listed(*GOOD)
            yield device
    software.stop()


def test_what_ran_passes_and_is_counted(running: Attesting) -> None:
    asked = running.asked()
    assert (asked["ima"], asked["pcrs"]) == (True, [PCR, 10])
    answer = running.attest()
    assert (answer["verdict"], answer["failures"]) == ("passed", [])
    assert answer["compared"] == [
        f"pcr:sha256:{PCR}",
        "ima:sha256:10",
        "ima-entries:3",
    ]


def test_a_file_that_is_not_allowed_is_named(running: Attesting) -> None:
    run(running.attester.tpm, [EVIL])
    running.ima_log = listed(*GOOD, EVIL)
    answer = running.attest()
    assert answer["verdict"] == "failed"
    assert "/usr/bin/evil" in failures(answer)
    assert "ima.validation" in failures(answer)


def test_a_list_that_leaves_a_file_out_is_not_true(running: Attesting) -> None:
    run(running.attester.tpm, [EVIL])
    answer = running.attest()
    assert "ima.not-replayed" in failures(answer)


def test_what_was_measured_after_the_quote_waits_for_the_next(
    running: Attesting,
) -> None:
    running.ima_log = listed(*GOOD, EVIL)
    answer = running.attest()
    assert answer["verdict"] == "passed"
    compared = answer["compared"]
    assert isinstance(compared, list)
    assert compared[-1] == "ima-entries:3"


@pytest.mark.parametrize(
    ("log", "kind"),
    [("", "ima.no-list"), ("nonsense\n", "ima.not-replayed"), ("10", "ima.not")],
)
def test_no_list_is_no_pass(running: Attesting, log: str, kind: str) -> None:
    running.ima_log = log
    answer = running.attest()
    assert (answer["verdict"], answer["compared"]) == ("failed", [])
    assert kind in failures(answer)
