"""What the factory's bench is told that cannot make a device."""

from pathlib import Path

import pytest

from tests.support.cli_site import answer
from tests.support.swtpm import require_swtpm


def test_who_has_no_tpm_is_told_of_both_ways_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_swtpm()
    home = tmp_path / "device"
    made = ["--url", "http://127.0.0.1:1", "--serial", "SN-1", "--directory", str(home)]
    told = answer(capsys, "device", "di", *made, "--tcti", "device:/absent", code=1)
    assert told["error"] == "no TPM at device:/absent: there is no such device"
    assert "--tcti none" in str(told["remedy"])
    assert not home.exists()
