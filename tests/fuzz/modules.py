"""Targets for ServiceInfo modules, the owner's side: any messages of a device."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from cryptography.hazmat.primitives.serialization import Encoding

from attestation.binding import BindingEvidence
from attestation.ek_store import EkTrust
from onboarding.protocol.binding_module import BindingModule
from onboarding.protocol.fdo_command import CommandModule
from onboarding.protocol.fdo_csr import CsrModule
from onboarding.protocol.fdo_download import DownloadModule, FilePush
from onboarding.protocol.fdo_upload import UploadModule
from onboarding.protocol.fdo_wget import WgetModule
from onboarding.protocol.modules import ModuleContext, OwnerModule, Progress
from ownership_vouchers import cbor
from tests.fuzz.target import Target, reads
from tests.support.fdo_roles import NOW
from tests.support.short_roles import CHAIN, DEVICE_KEY, request_for

ROOT = CHAIN.device_root.public_bytes(Encoding.DER)
BUDGET = 1200  # bytes, about what a 69 has room for
SAID: Mapping[str, tuple[str, ...]] = {
    "binding": ("evidence", "answer", "odd"),
    "download": ("done", "odd"),
    "upload": ("length", "data", "sha-384"),
    "command": ("stdout", "stderr", "exitcode"),
    "wget": ("done", "error", "odd"),
    "csr": ("cacerts-req", "simpleenroll-req", "csrattrs-req", "odd"),
}
MODULES: Mapping[str, OwnerModule] = {
    "binding": BindingModule(None, EkTrust(), required=False),
    "download": DownloadModule((FilePush("a", b"content"), FilePush("b", b""))),
    "upload": UploadModule("file", max_bytes=2048),
    "command": CommandModule("true", ("-x",)),
    "wget": WgetModule("http://files.example.test/file", "file"),
    "csr": CsrModule((ROOT,), lambda _request, _name, _now: ROOT),
}


def _context(active: bool, number: int) -> ModuleContext:
    device = CHAIN.voucher.device_key
    guid = CHAIN.guid
    return ModuleContext(guid, guid, device, NOW, bytes, {}, active, number)


def heard(data: bytes, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Read messages out of any bytes: one for a name, one for a length, a value."""
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        yield names[data[at] % len(names)], data[at + 2 : end]
        at = end


def _hear(name: str, data: bytes) -> None:
    module, first = MODULES[name], _context(False, 1)
    state, _, _ = module.produce(module.start(first), BUDGET, first)
    for number, (said, value) in enumerate(heard(data, SAID[name]), 2):
        ctx = _context(True, number)
        state = cbor.decode(cbor.encode(state))  # as between two messages
        state = module.receive(state, said, value, ctx)
        state, messages, progress = module.produce(state, BUDGET, ctx)
        assert sum(len(key) + len(value) for key, value in messages) <= 2 * BUDGET
        if progress is Progress.DONE:
            assert module.result(state).name == module.name
            return


def _certify(data: bytes) -> None:
    """Any bytes as a certificate request, wrapped as fdo.csr has it."""
    module, ctx = MODULES["csr"], _context(True, 2)
    asked = cbor.encode(base64.b64encode(data).decode())
    state = module.receive(module.start(ctx), "simpleenroll-req", asked, ctx)
    assert module.produce(state, BUDGET, ctx)[2] is Progress.DONE
    module.result(state)


def _seeds(name: str) -> list[bytes]:
    def message(index: int, item: object) -> bytes:
        value = cbor.encode(item)
        return bytes([index, min(len(value), 255)]) + value

    evidence = BindingEvidence(*(bytes(8),) * 6).encode()
    values: Mapping[str, list[bytes]] = {
        "binding": [b"\0" + bytes([len(evidence)]) + evidence, message(1, bytes(32))],
        "download": [message(0, 7), message(0, 0), message(0, -1)],
        "upload": [message(0, 3), message(1, b"abc"), message(2, bytes(48))],
        "command": [message(0, b"out"), message(1, b"err"), message(2, 0)],
        "wget": [message(0, 5), message(1, "no")],
        "csr": [message(0, 281), message(0, 287), message(1, "MIIB"), message(2, 0)],
    }
    return [*values[name], b"".join(values[name])]


TARGETS = (
    *(
        Target(f"module-{name}", reads(partial(_hear, name)), partial(_seeds, name))
        for name in MODULES
    ),
    Target("certificate-request", reads(_certify), lambda: [request_for(DEVICE_KEY)]),
)
