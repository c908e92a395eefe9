"""Event logs of other people's machines: read whole, and replayed to their PCRs."""

import json
from pathlib import Path

import pytest

from hw.eventlog import EventLog, read_event_log
from hw.eventlog_data import Coverage, coverage, describe
from hw.eventlog_replay import compare, replay

FILES = Path(__file__).parents[2] / "vectors" / "boot" / "machines"
PCRS: dict[str, dict[str, dict[str, str]]] = json.loads(
    (FILES / "pcrs.json").read_text()
)
MEASURED = ("windows-vm", "tpm12")  # PCRs of the TPM itself; else another program's


def _log(name: str) -> EventLog:
    return read_event_log((FILES / f"{name}.bin").read_bytes())


@pytest.mark.parametrize("name", PCRS)
def test_a_log_replays_to_what_others_read_out_of_it(name: str) -> None:
    log = _log(name)
    for bank, values in PCRS[name].items():
        found = replay(log, bank)
        for pcr, value in values.items():
            if int(pcr) in found:
                assert found[int(pcr)].hex() == value
        assert len(found) >= 5


@pytest.mark.parametrize("name", MEASURED)
def test_a_log_holds_against_the_tpm_beside_it(name: str) -> None:
    log = _log(name)
    ((bank, values),) = PCRS[name].items()
    pcrs = {int(pcr): bytes.fromhex(value) for pcr, value in values.items()}
    assert compare(log, bank, pcrs).first is None
    pcrs[4] = bytes(len(pcrs[4]))
    assert compare(log, bank, pcrs).first is not None


@pytest.mark.parametrize("name", PCRS)
@pytest.mark.filterwarnings("ignore")  # a certificate in db has a serial number of 0
def test_every_event_of_it_can_be_told(name: str) -> None:
    log = _log(name)
    told = [describe(one) for one in log.events]
    assert all(told)
    sure = [coverage(one, log.banks[-1]) for one in log.events]
    assert Coverage.ALL in sure
