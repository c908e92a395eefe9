"""A machine boots, is onboarded and attested by its boot; then it boots otherwise.

``make e2e-boot`` runs it: a QEMU machine with Secure Boot, a software TPM and Debian's
signed shim, grub and kernel. The device's own programs run in that machine, on the TPM
and the logs that its kernel gives them; the services and Keylime run beside it.
"""

import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attestation.keylime.stack import KeylimeStack
from hw.swtpm import SoftwareTpm, ek_ca_certificates
from onboarding.cli.api import connected
from onboarding.cli.demo.services import keylime_environment
from tests.support.boot.disks import (
    COMMAND_LINE,
    make_boot_disk,
    make_root_disk,
    set_command_line,
)
from tests.support.boot.guest import HOST, Console, Guest
from tests.support.boot.parts import Unavailable, parts
from tests.support.cli_site import Capture, Site, answer, call, configured, running_site
from tests.support.swtpm import require_swtpm

pytest_plugins = ["tests.support.keylime_stack"]

KEY = "station.apikey"
CHANGED = f"{COMMAND_LINE} init=/bin/sh"


@dataclass(frozen=True)
class Stage:
    """A site with Keylime behind it, and a machine that was never switched on."""

    site: Site
    guest: Guest

    @property
    def url(self) -> str:
        """The site as the guest finds it."""
        return f"http://{HOST}:{self.site.port}"


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    if os.environ.get("E2E_BOOT") is None:
        pytest.skip("boots a machine three times, which takes minutes: make e2e-boot")
    require_swtpm()
    try:
        found = parts()
    except Unavailable as error:
        pytest.skip(str(error))
    keylime: KeylimeStack = request.getfixturevalue("keylime_stack")
    environment = keylime_environment(keylime.client_settings())
    with (
        tempfile.TemporaryDirectory(prefix="guest-") as short,
        running_site(tmp_path, more=environment) as site,
    ):
        here = Path(short)
        tpm = SoftwareTpm(here, "chip")
        tpm.manufacture(tmp_path / "ek-ca")
        make_boot_disk(found, here / "boot.img")
        station = {KEY: site.key("manufacturer").read_bytes()}
        make_root_disk(found, here / "root.img", station)
        guest = Guest(found, here, tpm, here / "boot.img", here / "root.img")
        _introduce(site, tmp_path / "ek-ca")
        yield Stage(site, guest)


def _introduce(site: Site, ek_ca: Path) -> None:
    """Devices come over the guest's network, the owner stays on this machine."""
    port = {"device_port": site.port, "owner_port": site.port, "protocol": "http"}
    ways = [{**port, "ip": HOST, "device_only": True}]
    ways += [{**port, "ip": "127.0.0.1", "owner_only": True}]
    call(configured(site), "manufacturer", "PUT", "rvinfo", {"directives": ways})
    address = {"ip": HOST, "dns": None, "port": site.port, "protocol": "http"}
    call(site, "operator", "PUT", "to2-address", {"addresses": [address]})
    with connected(site.url, site.key("security"), None) as api:
        pem = b"".join(ek_ca_certificates(ek_ca))
        api.request("POST", "ek-roots", pem, "application/x-pem-file")


def _onboarded(stage: Stage, console: Console) -> str:
    """From the factory to its owner; the GUID it has from then on."""
    site, key = stage.site, f"/root/{KEY}"
    named = ("--serial", "SN-1", "--url", stage.url, "--station-key-file", key)
    made = _told(console, "device", "di", *named)
    assert made["board"] == "qemu-swtpm"
    guid = str(made["guid"])
    owner = next(
        one
        for one in call(site, "operator", "GET", "keys")["items"]
        if one["kind"] == "owner"
    )
    buyer = {"next_owner_pem": owner["public_pem"]}
    call(site, "operator", "POST", f"vouchers/{guid}/extend", buyer)
    _wait_until_announced(site, guid)
    taken = _told(console, "device", "onboard")
    assert taken["binding"] == "tpm-bound"
    return str(taken["guid"])


def _wait_until_announced(site: Site, guid: str) -> None:
    deadline = time.monotonic() + 120
    while _device(site, guid)["state"] != "registered":
        assert time.monotonic() < deadline, _device(site, guid)
        time.sleep(0.2)


def _learnt(site: Site, console: Console, guid: str, capsys: Capture) -> None:
    """The operator learns a policy from the machine, looks at it and accepts it."""
    who = ["--url", site.url, "--api-key-file", str(site.key("security"))]
    learn = ["policy", "learn", guid, "--name", "golden", *who]
    answer(capsys, *learn)
    console.vouchgate("device", "attest", "--json")  # judged by nobody yet
    draft: Any = answer(capsys, *learn)
    assert any(f'"/vmlinuz {COMMAND_LINE}"' in line for line in draft["changes"])
    answer(capsys, *learn, "--accept", str(draft["digest"]))


def _assign(site: Site, guid: str) -> None:
    file = {"path": "edge.container", "text": "[Container]\nImage=edge:1\n"}
    manifest = {"name": "edge", "version": 1, "kind": "quadlet", "files": [file]}
    call(site, "operator", "POST", "manifests", manifest)
    call(site, "operator", "PUT", f"devices/{guid}/policy", {"policy": "golden"})
    assigned = {"manifest": "edge", "version": 1}
    call(site, "operator", "PUT", f"devices/{guid}/assignment", assigned)


def _at_work(console: Console) -> list[str]:
    """One round of the agent: the verdict's word, and what became of the workload."""
    code, said = console.vouchgate("device", "run", "--rounds", "1", "--json")
    assert code == 0, said
    verdict, workload = (json.loads(line) for line in said.splitlines())
    return [re.split("[,:]", verdict["detail"])[0], workload["event"]]


def _newest(site: Site, guid: str) -> dict[str, Any]:
    found = call(site, "security", "GET", f"devices/{guid}/appraisals?limit=1")
    newest: dict[str, Any] = found["items"][0]
    return newest


def _compared(site: Site, guid: str) -> set[str]:
    return set(_newest(site, guid)["compared"])


def _failures(site: Site, guid: str) -> str:
    return "\n".join(one["message"] for one in _newest(site, guid)["failures"])


def _device(site: Site, guid: str) -> dict[str, Any]:
    return call(site, "operator", "GET", f"devices/{guid}")


def _told(console: Console, *words: str) -> dict[str, Any]:
    code, said = console.vouchgate(*words, "--json")
    assert code == 0, said
    found = json.loads(said)
    assert isinstance(found, dict)
    return found


def test_a_boot_is_learnt_and_another_command_line_is_refused_by_name(
    stage: Stage, capsys: Capture
) -> None:
    site, guest = stage.site, stage.guest
    with guest.switched_on() as console:
        owned = _onboarded(stage, console)
        _learnt(site, console, owned, capsys)
        _assign(site, owned)
        assert _at_work(console) == ["passed", "applied"]
    assert _device(site, owned)["state"] == "released"

    with guest.switched_on() as console:  # the same again: it is not the reboot
        assert _at_work(console) == ["passed", "unchanged"]
    assert {"boot:sha256:4", "boot:sha256:7", "boot:sha256:8"} <= _compared(site, owned)

    set_command_line(guest.boot_disk, CHANGED)
    with guest.switched_on() as console:
        assert _at_work(console) == ["failed", "removed"]
    failure = _failures(site, owned)
    assert f'kernel command line: "/vmlinuz {CHANGED}" is not in the policy' in failure
    assert f'the policy has kernel command line: "/vmlinuz {COMMAND_LINE}"' in failure
    found = _device(site, owned)
    assert (found["state"], found["removal"]) == ("withdrawn", "proven")
