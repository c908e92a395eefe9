"""A TPM that was put back in time: real TPMs, the real Keylime, kept counters."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attestation.keylime.stack import KeylimeStack
from hw.swtpm import SoftwareTpm
from onboarding.store.appraisals import Outcome
from tests.support.attester import Attester
from tests.support.attesting import (
    BACK,
    PCR,
    Attesting,
    attesting_device,
    failures,
    measured,
    put_ahead,
)
from tests.support.databases import NewDatabase
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    with attesting_device(
        tmp_path, keylime_stack, measured(tpm), databases=databases
    ) as device:
        yield device


@pytest.mark.parametrize("name", list(BACK))
def test_whatever_went_back_fails_and_does_not_become_the_new_measure(
    attesting: Attesting, name: str
) -> None:
    assert attesting.attest()["verdict"] == "passed"
    put_ahead(attesting.bench, **{name: 1 << 23})
    for _ in range(2):
        answer = attesting.attest()
        assert answer["verdict"] == "failed"
        assert BACK[name] in failures(answer)


def test_no_number_of_refused_quotes_wipes_out_what_was_counted(
    attesting: Attesting,
) -> None:
    assert attesting.attest()["verdict"] == "passed"
    put_ahead(attesting.bench, reset_count=5)
    bench = attesting.bench
    appraisals = bench.context.stores.appraisals
    refused = appraisals.latest(bench.guid.raw)
    for number in range(150):
        bench.clock.now += 1
        bare: dict[str, Any] = {
            "clock": None,
            "reset_count": None,
            "restart_count": None,
        }
        appraisals.add(
            replace(
                refused,
                id=f"refused {number}",
                outcome=Outcome.FAILED,
                at=bench.context.now(),
                lease_expires=None,
                firmware=None,
                **bare,
            ),
            "test",
        )
    assert "tpm-resets-went-back" in failures(attesting.attest())


@contextmanager
def booted(software: SoftwareTpm) -> "Iterator[Tpm]":
    """Power the TPM on for as long as the block lasts."""
    from hw.tpm import Tpm

    with Tpm(software.start()) as tpm:
        yield tpm
    software.stop()


def test_a_virtual_tpm_put_back_to_before_a_failed_quote_stays_failed(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> None:
    software = make_software_tpm("rollback")
    with ExitStack() as stack:
        with booted(software) as tpm:
            attester = measured(tpm)
            attesting = stack.enter_context(
                attesting_device(tmp_path, keylime_stack, attester, databases)
            )
            assert attesting.attest()["verdict"] == "passed"
        shutil.copytree(software.state, tmp_path / "saved")
        for number in range(2):  # boots that the saved state knows nothing of
            with booted(software) as tpm:
                tpm.extend(PCR, b"what booted" if number == 0 else b"something else")
                attesting.attester = Attester(tpm, attester.ak)
                verdict = attesting.attest()["verdict"]
                assert verdict == ("passed" if number == 0 else "failed")

        shutil.rmtree(software.state)
        shutil.copytree(tmp_path / "saved", software.state)
        with booted(software) as tpm:
            tpm.extend(PCR, b"what booted")
            attesting.attester = Attester(tpm, attester.ak)
            answer = attesting.attest()
        assert answer["verdict"] == "failed"
        assert "tpm-resets-went-back" in failures(answer)
