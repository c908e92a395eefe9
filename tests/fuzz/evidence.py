"""Targets for what attestation and hw read of a device: documents and TPM data."""

import json
from dataclasses import replace
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.binding import Binding, BindingEvidence, BindingRequest
from attestation.device_auth import claimed_request
from attestation.documents import ContentType, sign_payload
from attestation.ek_trust import EkEvidence, judge
from hw.eventlog import read_event_log
from hw.eventlog_data import coverage, describe
from hw.eventlog_replay import compare
from hw.ima import read_ascii, read_binary
from hw.ima_replay import ImaState, match
from hw.inventory import Disk, Inventory, Nic, TpmMaker
from hw.key_ref import KeyRef
from hw.pcr_blob import parse_pcr_blob
from hw.profiles import profiles, read_profile
from hw.public_area import PublicArea
from hw.structures import Attest
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from tests.fuzz.target import Target, judges
from tests.support.boot_logs import RECORDED, LogBuilder, recorded_log, recorded_pcrs
from tests.support.documents import KEY, KINDS, SIGNER
from tests.support.ek_authority import NOW, TpmVendor
from tests.support.ima_lists import ENTRIES

VECTORS = Path(__file__).parents[1] / "vectors"


def _document(kind: ContentType, data: bytes) -> None:
    """A document with any content, rightly signed."""
    KINDS[kind].open(sign_payload(kind, data, SIGNER), KEY)


def _contents(kind: ContentType) -> list[bytes]:
    return [Sign1.from_cbor(KINDS[kind].sign(SIGNER)).payload]


def _requests() -> list[bytes]:
    return [KINDS[ContentType.DEVICE_REQUEST].sign(SIGNER)]


@cache
def _vendor() -> tuple[TpmVendor, ec.EllipticCurvePublicKey]:
    return TpmVendor(), ec.generate_private_key(ec.SECP256R1()).public_key()


def _ek_certificate(data: bytes) -> None:
    """Judging is total: a certificate that cannot be read is a reason, not an error."""
    vendor, key = _vendor()
    judge(EkEvidence(key, data[:4096]), vendor.trust, None, NOW)


def _certificates() -> list[bytes]:
    vendor, key = _vendor()
    recorded = [one["certificate"] for one in _recorded()["eks"].values()]
    return [vendor.issuer.issue_ek(key), *map(bytes.fromhex, filter(None, recorded))]


@cache
def _recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "tpm/swtpm-0.7.1.json").read_text())
    return found


def _of_both(*names: str) -> list[bytes]:
    both = _recorded()["attestation"].values()
    return [bytes.fromhex(one[name]) for one in both for name in names]


def _binding() -> list[bytes]:
    ecc, ek = _recorded()["attestation"]["ecc"], _recorded()["eks"]["rsa2048"]
    parts = (
        ek["public"],
        ek["certificate"],
        ecc["public"],
        _recorded()["device_key"],
        ecc["certify"],
        ecc["certify_signature"],
    )
    ek_public, certificate, ak, dak, message, signature = map(bytes.fromhex, parts)
    return [
        BindingEvidence(ek_public, certificate, ak, dak, message, signature).encode()
    ]


def _event_log(data: bytes) -> None:
    log = read_event_log(data)
    for event in log.events:
        assert len(describe(event)) < 16384
        coverage(event, "sha256")
    str(compare(log, "sha256", recorded_pcrs("secure-boot")).first)


def _event_logs() -> list[bytes]:
    built = LogBuilder(None).event(0, 0x8, b"1.0").event(8, 0xD, b"grub_cmd: boot")
    return [*map(recorded_log, RECORDED), built.build()]


def _ima_text(data: bytes) -> None:
    entries = read_ascii(data)
    match(ImaState.at_boot("sha256"), entries, bytes(32))


def _inventory(data: bytes) -> None:
    item = cbor.decode(data)
    assert Inventory.from_item(item).to_item() == item


def _inventories() -> list[bytes]:
    disk, nic = Disk("sda", 1 << 40, "disk", True), Nic("eth0", "02:00", "driver")
    maker = TpmMaker("IFX", "SLB9670", "00" * 8)
    bare = Inventory(None, None, None, 0, 0, (), (), None, False, None, None)
    full = replace(
        bare, cpus=2, disks=(disk,), nics=(nic,), secure_boot=True, tpm=maker
    )
    return [cbor.encode(one.to_item()) for one in (bare, full)]


def _board(data: bytes) -> None:
    board = read_profile("generic-sbc-tpm", data)
    assert board.pcrs or not board.uefi_log


def _boards() -> list[bytes]:
    folder = resources.files("hw").joinpath("boards")
    return [folder.joinpath(f"{one.name}.json").read_bytes() for one in profiles()]


def _references() -> list[bytes]:
    name = bytes(34)
    return [
        KeyRef("hmac:sha256", bytes(32), name).to_bytes(),
        KeyRef("rsa2048:rsassa-sha256:null", bytes(64), name).to_bytes(),
    ]


TARGETS = (
    *(
        Target(
            f"document-{kind.name.lower().replace('_', '-')}",
            judges(partial(_document, kind)),
            partial(_contents, kind),
        )
        for kind in ContentType
    ),
    Target("device-request", judges(claimed_request), _requests),
    Target("binding-evidence", judges(BindingEvidence.from_cbor), _binding),
    Target("binding-request", judges(BindingRequest.from_cbor), _binding),
    Target("binding", judges(Binding.from_cbor), _binding),
    Target("ek-certificate", judges(_ek_certificate), _certificates),
    Target("tpm-public", judges(PublicArea.from_bytes), lambda: _of_both("public")),
    Target(
        "tpm-attest", judges(Attest.from_bytes), lambda: _of_both("quote", "certify")
    ),
    Target("inventory", judges(_inventory), _inventories),
    Target("board", judges(_board), _boards),
    Target("key-reference", judges(KeyRef.from_bytes), _references),
    Target("event-log", judges(_event_log), _event_logs),
    Target("ima-text", judges(_ima_text), lambda: [one.line() for one in ENTRIES]),
    Target(
        "ima-binary", judges(read_binary), lambda: [one.binary() for one in ENTRIES]
    ),
    Target("tpm-pcr-blob", judges(parse_pcr_blob), lambda: _of_both("pcr_blob")),
)
