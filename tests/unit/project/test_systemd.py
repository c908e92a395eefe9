"""The units for systemd: sound, shut in, and of settings that there are."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onboarding.services.settings import Role, Settings

UNITS = Path(__file__).parents[3] / "docs/examples/systemd"
UNIT = "vouchgate@.service"
DROP_INS = ("postgresql.conf", "pkcs11.conf", "tpm.conf")
ROLES = [role.value for role in Role if role is not Role.ALL]
MOST_EXPOSED = "15"  # of 100, as systemd-analyze weighs it; what is left is the network


def analyze(*asked: str, units: Path) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze not installed")
    paths = {"SYSTEMD_UNIT_PATH": f"{units}:"}  # the colon: and the usual ones
    done = subprocess.run(  # noqa: S603
        [program, *asked],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@pytest.fixture(params=["plain", *DROP_INS])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The units as on a machine whose program is this test's, with one drop-in."""
    text = (UNITS / UNIT).read_text()
    program = Path(sys.executable).parent / "vouchgate"
    ours = text.replace("/opt/vouchgate/.venv/bin/vouchgate", str(program))
    for role in ROLES:
        (tmp_path / f"vouchgate@{role}.service").write_text(ours)
        if request.param in DROP_INS:
            there = tmp_path / f"vouchgate@{role}.service.d"
            there.mkdir()
            shutil.copy(UNITS / request.param, there)
    return tmp_path


def test_systemd_finds_no_fault_in_the_units(installed: Path) -> None:
    units = [str(installed / f"vouchgate@{role}.service") for role in ROLES]
    said = analyze("verify", "--man=no", *units, units=installed)
    assert "vouchgate" not in said, said  # it warns, and calls that success


def test_the_units_leave_a_service_little_to_reach(tmp_path: Path) -> None:
    unit = tmp_path / "vouchgate@owner.service"
    shutil.copy(UNITS / UNIT, unit)
    asked = ("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager")
    said = analyze(*asked, str(unit), units=tmp_path)
    assert "Overall exposure level" in said


def test_a_unit_that_is_not_shut_in_is_over_the_threshold(tmp_path: Path) -> None:
    unit = tmp_path / "vouchgate@owner.service"
    bare = re.sub(
        r"^(System|Restrict)\w+=.*\n", "", (UNITS / UNIT).read_text(), flags=re.M
    )
    unit.write_text(bare)
    with pytest.raises(AssertionError, match="exposure level"):
        analyze(
            "security",
            "--offline=yes",
            f"--threshold={MOST_EXPOSED}",
            "--no-pager",
            str(unit),
            units=tmp_path,
        )


def test_a_user_is_made_for_every_role() -> None:
    made = re.findall(
        r"^u vouchgate-(\S+)", (UNITS / "sysusers.conf").read_text(), re.M
    )
    assert sorted(made) == sorted(ROLES)


def test_secrets_come_as_credentials_and_every_setting_exists() -> None:
    known = {f"VOUCHGATE_{name.upper()}" for name in Settings.model_fields}
    for name in (UNIT, *DROP_INS):
        text = (UNITS / name).read_text()
        set_here = dict(re.findall(r"^Environment=(VOUCHGATE_\w+)=(.*)$", text, re.M))
        assert set_here
        assert set_here.keys() <= known
        loaded = set(re.findall(r"^LoadCredential=([\w-]+):", text, re.M))
        secret = {
            v for k, v in set_here.items() if "PASS" in k or "PIN" in k or "AUTH" in k
        }
        assert secret == {f"%d/{one}" for one in loaded}
