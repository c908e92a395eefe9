"""Targets below the messages: CBOR, COSE, keys, vouchers, addresses, ServiceInfo."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.wire.chunks import MAX_STREAM, pack, reassemble
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv, OwnerServiceInfo
from ownership_vouchers import cbor
from ownership_vouchers.certificates import hardware_module_name, tpm_attributes
from ownership_vouchers.cose import Sign1
from ownership_vouchers.encrypt0 import Aead, Encrypt0
from ownership_vouchers.entry import Entry
from ownership_vouchers.keys import PublicKey, load_certificate, load_spki
from ownership_vouchers.pem import dump_pem, load_vouchers
from ownership_vouchers.rendezvous import (
    RendezvousInfo,
    device_addresses,
    owner_addresses,
)
from ownership_vouchers.show import describe
from ownership_vouchers.to2_address import To2Address, to2_addresses_from_item
from ownership_vouchers.verify import failed_checks
from ownership_vouchers.voucher import Voucher
from tests.fuzz.target import Target, reads
from tests.support.transcripts import FSIMS, Transcript

VECTORS = Path(__file__).parents[1] / "vectors"
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
MAX_PEM = 4096  # bytes of a fuzzed certificate or file: parsing time, not depth


@cache
def given_vouchers() -> tuple[bytes, ...]:
    """The vouchers of go-fdo, good and bad, and our own bad ones."""
    found: list[bytes] = []
    for name, key in (("vouchers", "vouchers"), ("vouchers_negative", "vectors")):
        records: list[dict[str, Any]] = json.loads(
            (VECTORS / f"fdo/{name}.json").read_text()
        )[key]
        found += [bytes.fromhex(one["voucher"]) for one in records]
    for path in sorted((VECTORS / "vouchers").glob("*.txt")):
        found.append(bytes.fromhex(path.read_text().partition("\n\n")[2]))
    return tuple(found)


def good_vouchers() -> tuple[Voucher, ...]:
    return tuple(Voucher.from_cbor(one) for one in given_vouchers()[:18])


def plains(*kinds: MsgType) -> list[bytes]:
    """Recorded messages, as they are inside the tunnel."""
    recorded = Transcript(FSIMS)
    return [one.plain for kind in kinds for one in recorded.of(kind)]


def _every_plain() -> list[bytes]:
    return plains(*(kind for kind in MsgType if kind is not MsgType.ERROR))


def _cbor(data: bytes) -> None:
    """All readers of CBOR must agree on where an item ends and what is in it."""
    item = cbor.decode(data)
    again = cbor.encode(item)
    assert cbor.encode(cbor.decode(again)) == again
    assert cbor.split_sequence(data, 1, len(data)) == (data,)
    if data[0] >> 5 == 4:
        parts = cbor.split(data)
        assert b"".join(parts) == data[len(data) - sum(map(len, parts)) :]
        assert cbor.encode([cbor.decode(one) for one in parts]) == again


def _cbor_array(data: bytes) -> None:
    parts = cbor.split(data)
    whole = cbor.array(cbor.decode(cbor.join(parts)))
    assert cbor.encode(whole) == cbor.encode([cbor.decode(one) for one in parts])


def _cose(data: bytes) -> None:
    signed = Sign1.from_cbor(data)
    assert Sign1.from_cbor(signed.encode()) == signed
    signed.verify(KEY)


def _encrypted(data: bytes) -> None:
    sealed = Encrypt0.from_cbor(data)
    assert Encrypt0.from_cbor(sealed.encode()) == sealed
    sealed.open(Aead.A128GCM, Aead.A128GCM.of(bytes(16)))


def _public_key(data: bytes) -> None:
    key = PublicKey.from_cbor(data)
    assert PublicKey.from_cbor(key.raw).same_key(key)


def _certificate(data: bytes) -> None:
    certificate = load_certificate(data[:MAX_PEM])
    tpm_attributes(certificate)
    hardware_module_name(certificate)


def _voucher(data: bytes) -> None:
    voucher = Voucher.from_cbor(data)
    describe(voucher)
    failed_checks(voucher, hmac_secret=bytes(32))
    assert Voucher.from_cbor(voucher.raw) == voucher


def _entry(data: bytes) -> None:
    entry = Entry.from_cbor(data)
    assert Entry.from_cbor(entry.raw) == entry


def _rv_info(data: bytes) -> None:
    info = RendezvousInfo.from_cbor(data)
    info.describe()
    assert RendezvousInfo.from_cbor(info.raw) == info
    device_addresses(info)
    owner_addresses(info)


def _rv_settings(data: bytes) -> None:
    """RendezvousInfo as an operator writes it."""
    try:
        settings: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(settings, list) and all(isinstance(one, dict) for one in settings):
        info = RendezvousInfo.build(settings)
        assert RendezvousInfo.from_cbor(info.raw) == info


def _messages_of(data: bytes) -> list[tuple[bool, list[Kv]]]:
    """Read ServiceInfo out of any bytes: a flag, a key, a length, a value, again."""
    messages: list[tuple[bool, list[Kv]]] = [(False, [])]
    at = 0
    while at + 2 <= len(data):
        head, size = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + size]
        at += 2 + size
        messages[-1][1].append((f"m{head & 3}:k{head >> 2 & 1}", value))
        if head & 0x80:
            messages[-1] = (bool(head & 0x40), messages[-1][1])
            messages.append((False, []))
    return messages


def _service_info(data: bytes) -> None:
    """However values are cut: no more comes out than went in, or than is kept."""
    partial: Kv | None = None
    for more, kvs in _messages_of(data):
        items, partial = reassemble(partial, kvs, more=more)
        sizes = sum(len(value) for _, value in items)
        assert sizes <= len(data)
        assert partial is None or len(partial[1]) <= MAX_STREAM
        sent, rest = pack(items, 256)
        assert len(OwnerServiceInfo(False, False, sent).encode()) <= 256
        assert bool(rest) <= bool(items)


def _service_info_seeds() -> list[bytes]:
    seeds = [b"\x00\x02\x41\x61", b"\xc0\x01\x42\x80\x02\x61\x62", b"\x80\x00"]
    for body in plains(MsgType.TO2_DEVICE_SERVICE_INFO):
        kvs = DeviceServiceInfo.from_cbor(body).kvs
        pairs = [
            bytes([i & 7, min(len(v), 255)]) + v[:255] for i, (_, v) in enumerate(kvs)
        ]
        seeds.append(b"".join(pairs))
    return seeds


def _addresses(data: bytes) -> None:
    for one in to2_addresses_from_item(cbor.decode(data)):
        assert len(one.urls) <= 2
        assert To2Address.from_item(one.to_item()) == one


def _certificates() -> list[bytes]:
    return [(voucher.cert_chain or (b"",))[0] for voucher in good_vouchers()]


def _entries() -> list[bytes]:
    return [entry.raw for voucher in good_vouchers() for entry in voucher.entries]


def _keys() -> list[bytes]:
    return [voucher.header.manufacturer_key.raw for voucher in good_vouchers()]


def _rv_infos() -> list[bytes]:
    return [voucher.header.rv_info.raw for voucher in good_vouchers()]


def _written_rv_infos() -> list[bytes]:
    return [
        json.dumps(voucher.header.rv_info.describe()).encode()
        for voucher in good_vouchers()
    ]


def _pem_files() -> list[bytes]:
    return [dump_pem(voucher).encode() for voucher in good_vouchers()[:4]]


def _signed() -> Sequence[bytes]:
    return [
        *plains(MsgType.TO2_PROVE_OV_HDR, MsgType.TO2_PROVE_DEVICE),
        *plains(MsgType.TO1_PROVE_TO_RV, MsgType.TO1_RV_REDIRECT),
    ]


def _sealed() -> list[bytes]:
    recorded = Transcript(FSIMS)
    return [recorded.one(kind).wire for kind in MsgType if 65 <= kind <= 71]


def _spki() -> list[bytes]:
    return [voucher.owner_key.spki for voucher in good_vouchers()]


TARGETS = (
    Target("cbor", reads(_cbor), _every_plain),
    Target("cbor-array", reads(_cbor_array), _every_plain),
    Target("cose-sign1", reads(_cose), _signed),
    Target("cose-encrypt0", reads(_encrypted), _sealed),
    Target("public-key", reads(_public_key), _keys),
    Target("spki", reads(load_spki), _spki),
    Target("certificate", reads(_certificate), _certificates),
    Target("voucher", reads(_voucher), given_vouchers),
    Target("voucher-entry", reads(_entry), _entries),
    Target("voucher-file", reads(load_vouchers), _pem_files),
    Target("rv-info", reads(_rv_info), _rv_infos),
    Target("rv-info-settings", reads(_rv_settings), _written_rv_infos),
    Target("to2-addresses", reads(_addresses), lambda: [b"\x81\x84\xf6\x61a\x01\x03"]),
    Target("service-info", reads(_service_info), _service_info_seeds),
)
