"""Targets for ServiceInfo modules, the device's side: any messages of an owner.

Files may land in one directory of the device and nowhere else; what a permitted
program or server would do is not tried here, so none of them is there.
"""

import atexit
import base64
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from hw.keys import new_soft_key
from onboarding.device.errors import CredentialUnreadable
from onboarding.device.fdo_run import REFUSALS
from onboarding.device.layouts import parse_stored
from onboarding.device.modules.command import CommandModule
from onboarding.device.modules.csr import CsrModule
from onboarding.device.modules.download import DownloadModule
from onboarding.device.modules.upload import UploadModule
from onboarding.device.modules.wget import WgetModule
from onboarding.protocol.modules import DeviceModule
from ownership_vouchers import cbor
from tests.fuzz.modules import heard
from tests.fuzz.target import Target
from tests.support.short_roles import CHAIN

SAID: Mapping[str, tuple[str, ...]] = {
    "download": ("name", "length", "sha-384", "data", "odd"),
    "upload": ("name", "need-sha", "odd"),
    "command": ("command", "args", "may_fail", "return_stdout", "execute", "sig"),
    "wget": ("sha-384", "name", "url", "odd"),
    "csr": ("cacerts-res", "simpleenroll-res", "error", "odd"),
}
URL = "http://files.example.test/"


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="vouchgate-fuzz-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    (root / "given").mkdir()
    (root / "given" / "file").write_bytes(b"content")
    return root


@cache
def _client() -> httpx.Client:
    """A network on which every URL has the same few bytes."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b"content"))

    return httpx.Client(transport=httpx.MockTransport(answer))


def _modules() -> Mapping[str, Callable[[], DeviceModule]]:
    files = _root() / "files"
    return {
        "download": lambda: DownloadModule(files, 4096),
        "upload": lambda: UploadModule([_root() / "given"], 4096),
        "command": lambda: CommandModule([["/nowhere/program", "*"]], 1.0),
        "wget": lambda: WgetModule(files, [URL], _client(), 4096, 1.0),
        "csr": lambda: CsrModule(files, partial(new_soft_key, "P-256"), "SN-1"),
    }


def _obey(name: str, data: bytes) -> None:
    """Give a new module the messages; it may refuse, and leave nothing elsewhere."""
    module = _modules()[name]()
    module.activated()
    try:
        for said, value in heard(data, SAID[name]):
            for key, answer in module.receive(said, value):
                assert key
                cbor.split_sequence(answer, 9, 65536)
    except REFUSALS:
        pass
    finally:
        module.activated()  # gives up what it had begun
        found = {path.name for path in _root().iterdir()}
        shutil.rmtree(_root() / "files", ignore_errors=True)
    assert found <= {"given", "files"}, found


def _seeds(name: str) -> list[bytes]:
    def message(index: int, item: object) -> bytes:
        value = cbor.encode(item)
        return bytes([index, len(value)]) + value

    given = str(_root() / "given" / "file")
    values: Mapping[str, list[bytes]] = {
        "download": [
            message(0, "a/file") + message(1, 3) + message(3, b"abc"),
            message(0, "../file") + message(3, b"abc") + message(3, b""),
            message(0, "file") + message(2, bytes(48)) + message(3, b""),
        ],
        "upload": [message(1, True) + message(0, given), message(0, "/etc/passwd")],
        "command": [
            message(0, "/nowhere/program")
            + message(1, cbor.encode(["-x"]))
            + message(2, True)
            + message(3, True)
            + message(4, None)
            + message(5, 9),
            message(0, "/bin/sh") + message(1, ["-c", "true"]) + message(4, None),
        ],
        "wget": [
            message(1, "file") + message(2, URL + "file"),
            message(0, bytes(48)) + message(2, "http://elsewhere.example.test/x"),
        ],
    }
    values = {**values, "csr": [message(0, "MIIB"), message(1, "MIIB"), message(2, 1)]}
    return values[name]


def _enrolled(data: bytes) -> None:
    """Any bytes as the certificate that an owner issued, and as its authorities."""
    for asked in ("cacerts-res", "simpleenroll-res"):
        module = _modules()["csr"]()
        module.activated()
        if asked == "simpleenroll-res":
            certs = pkcs7.serialize_certificates([CHAIN.device_root], Encoding.DER)
            module.receive("cacerts-res", _text(certs))
        module.receive(asked, _text(data))
        shutil.rmtree(_root() / "files", ignore_errors=True)


def _text(der: bytes) -> bytes:
    return cbor.encode(base64.b64encode(der).decode())


def _certificates() -> list[bytes]:
    root = CHAIN.device_root
    return [
        root.public_bytes(Encoding.DER),
        pkcs7.serialize_certificates([root], Encoding.DER),
    ]


def _stored(data: bytes) -> None:
    """What some client left in a TPM."""
    try:
        parse_stored(data)
    except CredentialUnreadable:
        pass


def _stored_ones() -> list[bytes]:
    core = [101, "board", bytes(16), [[[5, cbor.encode("rv")]]], [-16, bytes(32)]]
    return [
        cbor.encode([*core, 0, 0x81020002]),
        cbor.encode([[*core, 0, 0x81020002], 2]),
        cbor.encode([5, *core]),
        cbor.encode([0x46444F31, True, *core, 0, 0x81020002, 0x81020003]),
    ]


TARGETS = (
    *(
        Target(f"device-{name}", partial(_obey, name), partial(_seeds, name))
        for name in SAID
    ),
    Target("device-enrolled", _enrolled, _certificates),
    Target("device-stored", _stored, _stored_ones),
)
