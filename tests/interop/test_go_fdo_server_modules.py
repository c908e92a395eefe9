"""Our device, and the ServiceInfo modules of go-fdo-server's configured owner."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from onboarding.device.errors import NobodyThere
from onboarding.device.onboard import Taken
from tests.support.interop.go_fdo_server import (
    PROGRAM,
    WITHOUT,
    bypassing,
    go_fdo_server,
)
from tests.support.interop.go_services import plain
from tests.support.interop.website import CONTENT

pytestmark = pytest.mark.skipif(not PROGRAM, reason=WITHOUT)

PAIR = "Our device; go-fdo-server's manufacturing, rendezvous and owner"
TITLE = "ServiceInfo modules of go-fdo-server's owner"


class Run:
    """One device, put through what an owner is configured with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.uploads = home / "uploads"
        self.uploads.mkdir()
        self.guid = ""
        self.said = ""

    @property
    def downloads(self) -> Path:
        return self.home / "device" / "downloads"

    def onboard(self, *steps: dict[str, Any], **permits: object) -> Taken:
        with (
            go_fdo_server(self.home / "theirs", modules=steps) as theirs,
            bypassing(theirs, self.home / "device") as device,
        ):
            device.permit(json.dumps(permits))
            before = device.guid
            try:
                taken = device.onboard()
            finally:
                self.said = theirs.said
            assert theirs.owned(before)
            self.guid = plain(device.guid)
        return taken


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def step(fsim: str, **params: object) -> dict[str, Any]:
    return {"fsim": fsim, "params": params}


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_download_brings_files_large_and_empty(run: Run, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(CONTENT)
    (tmp_path / "nothing").touch()
    files = [{"src": "large", "dst": "site.conf"}, {"src": "nothing", "dst": "empty"}]
    run.onboard(step("fdo.download", dir=str(tmp_path), files=files))
    assert (run.downloads / "site.conf").read_bytes() == CONTENT
    assert (run.downloads / "empty").read_bytes() == b""


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_upload_fetches_a_file(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(CONTENT)
    files = [{"src": str(log), "dst": "kept/as.log"}]
    run.onboard(
        step("fdo.upload", dir=str(run.uploads), files=files), uploads=[str(log)]
    )
    assert (run.uploads / run.guid / "kept" / "as.log").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_command_runs_a_program(run: Run) -> None:
    script = ["-c", "echo to $0; echo bad >&2", "out"]
    told = {"return_stdout": True, "return_stderr": True}
    run.onboard(
        step("fdo.command", cmd="/bin/sh", args=script, **told),
        commands=[["/bin/sh", "*"]],
    )
    assert "to out\n" in run.said
    assert "bad\n" in run.said


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_wget_fetches_from_elsewhere(run: Run, site: str) -> None:
    checksum = hashlib.sha384(CONTENT).hexdigest()
    told = {"length": len(CONTENT), "checksum": checksum}
    files = [{"url": f"{site}/agent", "dst": "agent", **told}]
    run.onboard(step("fdo.wget", files=files), urls=[site])
    assert (run.downloads / "agent").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_several_modules_run_one_after_the_other(run: Run, tmp_path: Path) -> None:
    (tmp_path / "second").write_bytes(CONTENT)
    run.onboard(
        step("fdo.command", cmd="/bin/echo", args=["1st"], return_stdout=True),
        step("fdo.download", files=[{"src": f"{tmp_path}/second", "dst": "second"}]),
        step("fdo.command", cmd="/bin/echo", args=["3rd"], return_stdout=True),
        commands=[["/bin/echo", "*"]],
    )
    assert run.said.index("1st\n") < run.said.index("3rd\n")
    assert (run.downloads / "second").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_a_program_that_is_not_permitted_does_not_run(run: Run, tmp_path: Path) -> None:
    left = tmp_path / "x"
    with pytest.raises(NobodyThere):
        run.onboard(
            step("fdo.command", cmd="/bin/touch", args=[str(left)]),
            commands=[["/bin/echo", "*"]],
        )
    assert not left.exists()
