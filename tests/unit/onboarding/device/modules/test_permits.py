"""What a device's own configuration permits owners to do."""

import json
from pathlib import Path

import pytest

from onboarding.device.config import DeviceConfig
from onboarding.device.errors import DeviceError
from onboarding.device.machine import Machine
from onboarding.device.modules.permits import FILE, Permits
from onboarding.device.modules.together import DeviceModules
from ownership_vouchers.types import Guid

GOOD: dict[str, object] = {
    "downloads": "/srv/files",
    "uploads": ["/etc/machine-id", "/var/log"],
    "commands": [["/usr/bin/uptime"], ["/usr/bin/systemctl", "restart", "*"]],
    "urls": ["https://files.example.test/app/"],
    "file_bytes": 1000,
    "command_seconds": 1.5,
}
CHANGES: dict[str, dict[str, object]] = {
    "an unknown member": {"shell": True},
    "a relative upload": {"uploads": ["etc"]},
    "a relative program": {"commands": [["uptime"]]},
    "a program without words": {"commands": [[]]},
    "a program as text": {"commands": ["/usr/bin/uptime"]},
    "a URL of another kind": {"urls": ["ftp://files.example.test/"]},
    "a URL with a way out": {"urls": ["https://files.example.test/a/../b"]},
    "no directory": {"downloads": ""},
    "a directory that is no text": {"downloads": 1},
    "a size that is no number": {"file_bytes": "1"},
    "a size that is true": {"file_bytes": True},
    "no size": {"file_bytes": 0},
    "plug-ins that are no object": {"plugins": ["com.example.motd"]},
    "a plug-in that leads outside": {"plugins": {"../outside": {}}},
    "a plug-in without settings": {"plugins": {"com.example.motd": True}},
    "a switch that is neither": {"certificates": 1},
    "no time": {"command_seconds": 0},
    "uploads that are no list": {"uploads": "/etc"},
    "uploads that are no texts": {"uploads": [1]},
    "too many uploads": {"uploads": ["/a"] * 257},
}


def write(directory: Path, document: object) -> Path:
    (directory / FILE).write_text(json.dumps(document))
    return directory


def test_without_a_file_only_downloads_and_certificates_are_permitted(
    tmp_path: Path,
) -> None:
    permits = Permits.load(tmp_path)
    assert permits == Permits()
    assert (permits.uploads, permits.commands, permits.urls) == ((), (), ())


def test_what_the_file_says_holds(tmp_path: Path) -> None:
    permits = Permits.load(write(tmp_path, GOOD))
    assert permits.commands[1] == ("/usr/bin/systemctl", "restart", "*")
    assert (permits.file_bytes, permits.command_seconds) == (1000, 1.5)


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_with_something_else_in_it_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeviceError, match=r"modules\.json"):
        Permits.load(write(tmp_path, {**GOOD, **CHANGES[name]}))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"a":'])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DeviceError):
        Permits.load(tmp_path)


def test_a_device_names_only_what_it_permits(tmp_path: Path) -> None:
    config = DeviceConfig("SN-1", "generic-sbc", "model", tcti=None)
    with Machine(config, tmp_path) as machine:
        bare = DeviceModules.of(machine, Guid(bytes(16)))
        names = [one.name for one in bare.all]
        assert names == ["fdo.download", "fdo.csr", "org.vouchgate.inventory"]
        write(tmp_path, {**GOOD, "certificates": False, "inventory": False})
        whole = DeviceModules.of(machine, Guid(bytes(16)))
        assert sorted(one.name for one in whole.all) == [
            "fdo.command",
            "fdo.download",
            "fdo.upload",
            "fdo.wget",
        ]
        whole.close()
