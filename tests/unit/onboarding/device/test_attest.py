"""Where a device finds the logs it is asked for, and what it reads of a verdict."""

from pathlib import Path

from onboarding.device.attest import Verdict
from onboarding.device.config import DeviceConfig
from tests.support.boot_logs import recorded_log


def test_logs_are_read_from_the_files_that_the_device_was_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(recorded_log("direct-boot"))
    told = DeviceConfig("SN-1", "swtpm", "box", uefi_log=str(path))
    told.save(tmp_path)
    again = DeviceConfig.load(tmp_path)
    assert again == told
    assert again.logs.event_log() == recorded_log("direct-boot")


def test_a_device_that_was_told_nothing_reads_the_kernels() -> None:
    logs = DeviceConfig("SN-1", "swtpm", "box").logs
    assert (logs.uefi, logs.ima, logs.root) == (None, None, Path("/"))


def test_what_was_compared_may_carry_a_note() -> None:
    verdict = Verdict(
        "passed", ("boot:sha256:7", "boot-events:38", "boot-is:a:b"), (), None
    )
    assert verdict.noted("boot-events") == "38"
    assert verdict.noted("boot-is") == "a:b"
    assert verdict.noted("ima-entries") == ""
