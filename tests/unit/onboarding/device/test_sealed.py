"""Keys without a TPM: sealed, each file for itself, and opened by their secret only."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hw.keys import HMAC_SHA256, HMAC_SHA384
from onboarding.device.errors import DeviceError, NotOnboarded
from onboarding.device.sealed import SECRET, Sealer
from onboarding.device.soft_keys import SoftKeys


def test_keys_are_found_again_by_their_names_and_nothing_else(tmp_path: Path) -> None:
    keys = SoftKeys(tmp_path)
    first, key = keys.stage_device_key("P-256")
    second, other = keys.stage_device_key("P-384")
    mac, secret = keys.stage_mac_key(HMAC_SHA384)
    again = SoftKeys(tmp_path)
    assert again.device_key(first).public_key == key.public_key
    assert again.device_key(second).public_key == other.public_key
    assert again.mac_key(mac) == secret
    again.settle(first, [mac])
    assert again.device_key(first).public_key == key.public_key
    with pytest.raises(NotOnboarded, match="device di"):
        again.device_key(second)


def test_no_key_stands_in_a_file_as_it_is(tmp_path: Path) -> None:
    keys = SoftKeys(tmp_path)
    _, key = keys.stage_device_key("P-256")
    _, mac = keys.stage_mac_key(HMAC_SHA256)
    number = key.private_key.private_numbers()
    value = number.private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    for path in tmp_path.iterdir():
        assert value not in path.read_bytes()
        assert mac.secret not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_from_elsewhere_is_kept_apart_from_the_keys(tmp_path: Path) -> None:
    secret, folder = tmp_path / "credential", tmp_path / "device"
    secret.write_text("a long passphrase\n")
    name, key = SoftKeys(folder, secret).stage_device_key("P-256")
    assert not (folder / SECRET).exists()
    assert SoftKeys(folder, secret).device_key(name).public_key == key.public_key
    secret.write_text("another passphrase\n")
    with pytest.raises(DeviceError, match="does not open with the secret"):
        SoftKeys(folder, secret).device_key(name)
    secret.unlink()
    with pytest.raises(NotOnboarded, match="credential is not there"):
        SoftKeys(folder, secret).device_key(name)


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "credential"
    secret.write_text("short\n")
    with pytest.raises(DeviceError, match="under 8 bytes"):
        SoftKeys(tmp_path, secret).stage_device_key("P-256")


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit of it": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a bit of its salt": lambda data: data[:5] + bytes([data[5] ^ 1]) + data[6:],
    "a bit of its nonce": lambda data: data[:25] + bytes([data[25] ^ 1]) + data[26:],
    "its end": lambda data: data[:-1],
    "all but its head": lambda data: data[:32],
    "its mark": lambda data: b"VGK2" + data[4:],
    "everything": lambda data: b"",
    "its size": lambda data: data + bytes(70_000),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_does_not_open(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hmac-1.sealed"
    Sealer(tmp_path).write(path, b"secret")
    assert Sealer(tmp_path).read(path) == b"secret"
    path.write_bytes(CHANGES[name](path.read_bytes()))
    with pytest.raises(DeviceError):
        Sealer(tmp_path).read(path)


def test_a_file_does_not_open_in_the_place_of_another(tmp_path: Path) -> None:
    Sealer(tmp_path).write(tmp_path / "hmac-1.sealed", b"secret")
    shutil.copy(tmp_path / "hmac-1.sealed", tmp_path / "hmac-2.sealed")
    with pytest.raises(DeviceError, match="does not open"):
        Sealer(tmp_path).read(tmp_path / "hmac-2.sealed")


def test_a_pipe_in_the_place_of_a_key_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hmac-1.sealed")
    with pytest.raises(DeviceError, match="no file"):
        Sealer(tmp_path).read(tmp_path / "hmac-1.sealed")


def test_a_device_made_before_keys_were_sealed_still_has_its_keys(
    tmp_path: Path,
) -> None:
    (tmp_path / "hmac.secret").write_bytes(bytes(32))
    keys = SoftKeys(tmp_path)
    assert keys.mac_key(b"").secret == bytes(32)
    keys.settle(b"", [b""])
    assert (tmp_path / "hmac.secret").exists()
