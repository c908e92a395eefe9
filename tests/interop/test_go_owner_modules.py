"""Our device, and the ServiceInfo modules of go-fdo's owner."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from onboarding.device.errors import NobodyThere
from onboarding.device.onboard import Taken
from tests.support.interop.go_services import GoServices, module
from tests.support.interop.our_device import OurDevice
from tests.support.interop.website import CONTENT

PAIR = "Our device; go-fdo's manufacturing, rendezvous and owner"
TITLE = "ServiceInfo modules of go-fdo's owner"

Onboard = Callable[..., Taken]


@pytest.fixture
def onboarded(device: OurDevice, services: GoServices) -> Onboard:
    """Sell the device, set what it is put through, and onboard it."""

    def run(*steps: dict[str, object], **permits: object) -> Taken:
        device.permit(json.dumps(permits))
        buyer = services.key("owner", "ec256")
        services.take(services.sold(device.guid, buyer))
        services.register(device.guid, services.url)
        services.modules(device.guid, *steps)
        return device.onboard()

    return run


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_download_brings_files_large_and_empty(
    onboarded: Onboard, device: OurDevice
) -> None:
    onboarded(
        module("fdo.download", CONTENT, name="site.conf"),
        module("fdo.download", name="empty"),
    )
    files = device.directory / "downloads"
    assert (files / "site.conf").read_bytes() == CONTENT
    assert (files / "empty").read_bytes() == b""


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_upload_fetches_a_file(
    onboarded: Onboard, services: GoServices, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(CONTENT)
    onboarded(module("fdo.upload", name=str(log)), uploads=[str(log)])
    assert (services.uploads / "log").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_command_runs_a_program(
    onboarded: Onboard, device: OurDevice, services: GoServices
) -> None:
    guid = device.guid
    script = ["-c", "echo to $0; echo bad >&2", "out"]
    onboarded(
        module("fdo.command", command="/bin/sh", args=script),
        commands=[["/bin/sh", "*"]],
    )
    fate = services.fate(guid)
    assert (fate["stdout"], fate["stderr"]) == ("to out\n", "bad\n")


@pytest.mark.interop(PAIR, title=TITLE)
def test_fdo_wget_fetches_from_elsewhere(
    onboarded: Onboard, device: OurDevice, site: str
) -> None:
    url = f"{site}/agent"
    onboarded(module("fdo.wget", CONTENT, name="agent", url=url), urls=[site])
    assert (device.directory / "downloads" / "agent").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_several_modules_run_one_after_the_other(
    onboarded: Onboard, device: OurDevice, services: GoServices
) -> None:
    guid = device.guid
    onboarded(
        module("fdo.command", command="/bin/echo", args=["first"]),
        module("fdo.download", CONTENT, name="second"),
        module("fdo.command", command="/bin/echo", args=["third"]),
        commands=[["/bin/echo", "*"]],
    )
    assert services.fate(guid)["stdout"] == "first\nthird\n"
    assert (device.directory / "downloads" / "second").read_bytes() == CONTENT


@pytest.mark.interop(PAIR, title=TITLE)
def test_a_program_that_is_not_permitted_does_not_run(
    onboarded: Onboard, device: OurDevice, services: GoServices, tmp_path: Path
) -> None:
    guid = device.guid
    with pytest.raises(NobodyThere):
        onboarded(
            module("fdo.command", command="/bin/touch", args=[str(tmp_path / "x")]),
            commands=[["/bin/echo", "*"]],
        )
    assert not (tmp_path / "x").exists()
    assert not services.fate(guid)["done"]
