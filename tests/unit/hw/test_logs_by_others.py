"""What other programs read out of the same logs: tpm2-tools, and Keylime."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hw.eventlog import EventLog, read_event_log
from hw.eventlog_replay import replay
from hw.ima import read_ascii
from hw.ima_replay import ImaState
from hw.ima_replay import replay as replay_ima
from hw.log_hashes import bank_name
from tests.support.boot_logs import FOLDER, IPL, RECORDED, LogBuilder
from tests.support.ima_lists import ENTRIES

PROGRAM = shutil.which("tpm2_eventlog")


def read_by_tpm2_tools(path: Path) -> dict[str, Any]:
    if PROGRAM is None:
        pytest.skip("tpm2_eventlog is not installed (Debian package tpm2-tools)")
    done = subprocess.run(  # noqa: S603 - our own vectors
        [PROGRAM, str(path)], capture_output=True, check=True, text=True
    )
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def same(log: EventLog, other: dict[str, Any]) -> None:
    """Hold events, digests and PCRs against what the other program printed."""
    # Of a log of SHA-1 alone, version 5.4 prints no list that YAML has.
    listed = other["events"] if log.crypto_agile else []
    assert len(listed) == (len(log.events) if log.crypto_agile else 0)
    for event, seen in zip(log.events, listed, strict=log.crypto_agile):
        ours = (event.pcr, event.name, len(event.data))
        assert ours == (seen["PCRIndex"], seen["EventType"], seen["EventSize"])
        if "Digests" in seen:
            theirs = {one["AlgorithmId"]: one["Digest"] for one in seen["Digests"]}
            digests = event.digests.items()
            assert {bank_name(alg): one.hex() for alg, one in digests} == theirs
    for bank, pcrs in other["pcrs"].items():
        found = replay(log, bank)
        assert {pcr: int.from_bytes(one) for pcr, one in found.items()} == pcrs


@pytest.mark.parametrize("name", RECORDED)
def test_tpm2_tools_read_the_same_out_of_a_recorded_log(name: str) -> None:
    path = FOLDER / f"{name}.evlog"
    same(read_event_log(path.read_bytes()), read_by_tpm2_tools(path))


@pytest.mark.parametrize(
    "start", [LogBuilder(None), LogBuilder.agile(0x4, 0xB, 0xC)], ids=["sha1", "agile"]
)
def test_tpm2_tools_read_the_same_out_of_a_built_log(
    start: LogBuilder, tmp_path: Path
) -> None:
    # No StartupLocality: version 5.4 extends what says of itself that it is not.
    made = start.event(0, 0x8, b"1\0.\0").event(8, IPL, b"grub_cmd: boot\0", b"boot")
    made = made.event(4, 0x4, bytes(4)).event(0, 0x4, bytes(4))
    path = tmp_path / "built.evlog"
    path.write_bytes(made.build())
    same(read_event_log(made.build()), read_by_tpm2_tools(path))


def test_keylime_computes_the_same_of_an_ima_list() -> None:
    ast = pytest.importorskip("keylime.ima.ast", reason="extra 'keylime' not installed")
    algorithms = pytest.importorskip("keylime.common.algorithms")
    # Keylime knows neither the v2 templates, nor other PCRs in one list.
    known = [
        one for one in ENTRIES if one.pcr == 10 and not one.template.endswith("v2")
    ]
    sha256, sha1 = algorithms.Hash.SHA256, algorithms.Hash.SHA1
    value = bytes(32)
    for one in known:
        entry = ast.Entry(one.line().decode().rstrip("\n"), None, sha1, sha256)
        assert entry.ima_template_hash == (
            one.hashed("sha1") if not one.spoilt else b"\xff" * 20
        )
        value = sha256.hash(value + entry.pcr_template_hash)
    ours = read_ascii(b"".join(one.line() for one in known))
    assert replay_ima(ImaState.at_boot("sha256"), ours) == value
