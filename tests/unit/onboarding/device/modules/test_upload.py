"""Files given to the owner: those permitted, wherever links lead."""

import os
from pathlib import Path

import pytest

from onboarding.device.modules.upload import UploadModule
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError


def asked(module: UploadModule, path: Path | str, *, digest: bool = False) -> list[str]:
    """Ask for a file; return the kinds of messages that came."""
    module.activated()
    module.receive("need-sha", cbor.encode(digest))
    return [what for what, _ in module.receive("name", cbor.encode(str(path)))]


def test_a_file_in_a_permitted_directory_is_given_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(2500))
    module = UploadModule([tmp_path])
    assert asked(module, path) == ["length", "data", "data", "data"]
    assert asked(module, path, digest=True)[-1] == "sha-384"


def test_what_is_asked_for_before_is_forgotten_when_activated_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    module = UploadModule([path])
    asked(module, path, digest=True)
    module.activated()
    assert [what for what, _ in module.receive("name", cbor.encode(str(path)))] == [
        "length",
        "data",
    ]


def test_what_is_not_permitted_is_turned_down(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.write_bytes(b"x")
    (inside / "link").symlink_to(outside)
    os.mkfifo(inside / "pipe")
    (inside / "long").write_bytes(bytes(11))
    module = UploadModule([inside], limit=10)
    for path in (
        outside,
        inside / "link",
        inside / "pipe",
        inside / "long",
        inside / "missing",
        inside,
        f"{inside}/../out",
        "in/long",
        "",
        "a\0b",
    ):
        assert asked(module, path) == ["active"], path


def test_a_message_of_another_type_is_malformed() -> None:
    for message, value in (("need-sha", 1), ("name", b"x")):
        with pytest.raises(MalformedError):
            UploadModule([]).receive(message, cbor.encode(value))
