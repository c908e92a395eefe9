"""Single, named changes to a good voucher, and what each must lead to.

``python -m tests.support.forgeries FOLDER`` writes them down as vector files, for
other implementations too. Keys and secrets in them are TEST KEYS.
"""

import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from ownership_vouchers import cbor
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Hash
from tests.support.alterations import change, overwritten
from tests.support.forge import CHAIN_HASH, DEVICE_INFO, GUID, KEY, RV_INFO, Forge
from tests.support.supply_chain import new_key
from tests.support.workshop import Workshop

Build = Callable[[Workshop], bytes]

LARGEST = 8192  # bytes of what is written to a file
PLAIN = [[5, cbor.encode("rv.example.test")], [3, b"\x19\x1f\x92"]]
P384 = new_key("P-384").public_key()
SHORT_HASH = cbor.encode([-43, bytes(32)])
ZERO_HASH = cbor.encode([-16, bytes(32)])

BODIES: Mapping[str, object] = {
    "a number": 61904,
    "a text": "x" * 40,
    "a map": {"x": 1},
    "an array": [1, 2],
    "noise": bytes(range(91)),
}


def _with_body(body: object, *, makers: bool) -> Build:
    """Put something that is no key where the maker's or the owner's stands."""

    def build(shop: Workshop) -> bytes:
        if makers:
            return shop.header(KEY, [shop.key_type, 1, body])
        return shop.last_key(shop.key_type, 1, body)

    return build


def _chained(change: Callable[[list[bytes]], list[bytes]]) -> Build:
    """Change the certificates, and leave their hash."""

    def build(shop: Workshop) -> bytes:
        chain = list(shop.chain.voucher.cert_chain or ())
        return shop.bend(certificates=cbor.encode(change(chain)))

    return build


# What peers write and we take. The odd part stands in the name.
ACCEPTED: Mapping[str, Build] = {
    "good": lambda shop: shop.bend(),
    "no entry yet": lambda shop: Forge(shop.chain, ()).encode(),
    "extra: map in bytes": lambda shop: shop.last(extra=b"\x41\xa0"),
    "extra: bare map": lambda shop: shop.last(extra=b"\xa1\x01\x41\x78"),
    "rv: flag with null": lambda shop: shop.header(RV_INFO, [[*PLAIN, [14, None]]]),
    "rv: flag with bytes": lambda shop: shop.header(RV_INFO, [[*PLAIN, [14, b""]]]),
    "rv: variable 200": lambda shop: shop.header(RV_INFO, [[*PLAIN, [200, b"\x01"]]]),
    "rv: port is no CBOR": lambda shop: shop.header(RV_INFO, [[*PLAIN, [4, b"\xff"]]]),
    "header: version in 5 bytes": lambda shop: shop.bend(
        header={0: b"\x1a\x00\x00\x00\x65"}
    ),
    "entries: count in 2 bytes": lambda shop: shop.bend(entries_head=b"\x98\x02"),
    "key: X5CHAIN in bytes": lambda shop: shop.last_key(
        shop.key_type, 2, cbor.encode(shop.owner_chain())
    ),
    "key: COSE without kty": lambda shop: shop.last_key(
        shop.key_type, 3, shop.owner_cose_fields()
    ),
    "key: COSE with short x": lambda shop: shop.owner_with_a_short_coordinate(),
}

MALFORMED: Mapping[str, Build] = {
    "byte after the voucher": lambda shop: shop.bend(tail=b"\x00"),
    "voucher of 4 items": lambda shop: shop.bend(head=b"\x84"),
    "voucher of 6 items": lambda shop: shop.bend(head=b"\x86", tail=b"\xf6"),
    "voucher of no stated length": lambda shop: shop.bend(head=b"\x9f", tail=b"\xff"),
    "entries of no stated length": lambda shop: shop.bend(
        entries_head=b"\x9f", tail=b"\xff"
    ),
    "header of 7 items": lambda shop: shop.bend(
        header_head=b"\x87", header={CHAIN_HASH: b"\xf6\xf6"}
    ),
    "header overwritten": lambda shop: change(overwritten(), 1)(shop.bend()),
    "GUID of 15 bytes": lambda shop: shop.header(GUID, bytes(15)),
    "device info in bytes": lambda shop: shop.header(DEVICE_INFO, b"x"),
    "header over 31 KiB": lambda shop: shop.header(
        RV_INFO, [[[100 + number, bytes(1024)] for number in range(32)]]
    ),
    "device info over 1024": lambda shop: shop.header(DEVICE_INFO, "x" * 1025),
    "rv: variable twice": lambda shop: shop.header(RV_INFO, [[[14], [14]]]),
    "rv: 33 directives": lambda shop: shop.header(RV_INFO, [[[14]]] * 33),
    "rv: instruction of 3": lambda shop: shop.header(RV_INFO, [[[3, b"\x01", None]]]),
    "chain hash is an HMAC": lambda shop: shop.header(CHAIN_HASH, [5, bytes(32)]),
    "chain hash too short": lambda shop: shop.header(CHAIN_HASH, [-43, bytes(32)]),
    "HMAC is a hash": lambda shop: shop.bend(hmac=ZERO_HASH),
    "HMAC too short": lambda shop: shop.bend(hmac=cbor.encode([6, bytes(32)])),
    "certificate as text": lambda shop: shop.bend(certificates=cbor.encode(["x"])),
    "entry without tag": lambda shop: shop.last(tag=b""),
    "entry as COSE_Mac0": lambda shop: shop.last(tag=b"\xd1"),
    "entry with open header": lambda shop: shop.last(unprotected=b"\xa1\x01\x26"),
    "entry of 5 items": lambda shop: shop.last(
        head=b"\x85", signature=b"x", unprotected=b"\xa0\xf6"
    ),
    "payload of 5 items": lambda shop: shop.last(
        payload_head=b"\x85", extra=b"\xf6\xf6"
    ),
    "payload of 3 items": lambda shop: shop.last(payload_head=b"\x83", extra=b""),
    "extra: key twice": lambda shop: shop.last(extra=b"\xa2\x01\x40\x01\x40"),
    "extra: text key": lambda shop: shop.last(extra=b"\xa1\x61\x78\x40"),
    "extra: nested too deep": lambda shop: shop.last(
        extra=b"\xa1\x01" + b"\x81" * 20 + b"\xf6"
    ),
    "key: COSE with sign of y": lambda shop: shop.last_key(
        shop.key_type, 3, {1: 2, **shop.owner_cose_fields(), -3: True}
    ),
    "key: COSE off its curve": lambda shop: shop.last_key(
        shop.key_type, 3, {**shop.owner_cose_fields(), -3: bytes(32)}
    ),
    "key: empty X5CHAIN": lambda shop: shop.last_key(shop.key_type, 2, []),
}

SPOILT_KEYS: Mapping[str, Build] = {
    f"{whose}: {name} for a body": _with_body(body, makers=whose != "key")
    for whose in ("key", "maker's key")
    for name, body in BODIES.items()
}
UNSUPPORTED: Mapping[str, Build] = {
    "key: EPID": lambda shop: shop.last_key(shop.key_type, 0, b"x"),
    "key: type 2": lambda shop: shop.last_key(2, 1, b"x"),
    "key: P-256 called P-384": lambda shop: shop.last_key(
        11, 1, shop.owner.public_key.spki
    ),
    "key: exponent 3": lambda shop: shop.last_key(1, 1, shop.rsa_spki(exponent=3)),
    "key: RSA of 1024 bits": lambda shop: shop.last_key(5, 1, shop.rsa_spki(1024)),
}

# By the check that must refuse them; nothing else is wrong with them.
FAILING: Mapping[str, Mapping[str, Build]] = {
    "protocol_version": {
        "voucher of version 100": lambda shop: shop.bend(version=b"\x18\x64"),
        "header of version 100": lambda shop: shop.header(0, 100),
    },
    "header_hmac": {
        "HMAC of another device": lambda shop: shop.bend(
            hmac=shop.zeros(shop.chain.hash_type.keyed)
        ),
    },
    "cert_chain_hash": {
        "hash of another chain": lambda shop: shop.bend(
            header={CHAIN_HASH: shop.zeros()}
        ),
        "chain without hash": lambda shop: shop.header(CHAIN_HASH, None),
    },
    "cert_chain_hash device_chain": {
        "noise after the chain": _chained(lambda chain: [*chain, bytes(range(200))]),
        "chain turned round": _chained(lambda chain: chain[::-1]),
        "hash without chain": lambda shop: shop.bend(certificates=b"\xf6"),
        "empty chain": lambda shop: shop.bend(certificates=b"\x80"),
    },
    "device_chain": {
        "no device chain": lambda shop: shop.bend(
            certificates=b"\xf6", header={CHAIN_HASH: b"\xf6"}
        ),
        "device of another authority": lambda shop: shop.device_of_another_authority(),
        "device issued by a device": lambda shop: shop.device_issued_by_a_device(),
        "device under a short path": lambda shop: shop.device_under_a_short_path(),
        "device that may not sign": lambda shop: shop.device_that_may_not_sign(),
        "chain upside down": lambda shop: shop.certified(
            shop.chain.device_root, shop.chain.device_root
        ),
    },
    "device_info": {"empty device info": lambda shop: shop.header(DEVICE_INFO, "")},
    "rv_info": {"empty rendezvous info": lambda shop: shop.header(RV_INFO, [])},
    "entries": {
        "signed by a stranger": lambda shop: shop.last(signer=shop.stranger()),
        "signed by the maker again": lambda shop: shop.last(
            signer=shop.chain.manufacturer.signer
        ),
        "previous hash of nothing": lambda shop: shop.last(prev_hash=shop.zeros()),
        "header hash of nothing": lambda shop: shop.last(header_hash=shop.zeros()),
        "hash longer than it says": lambda shop: shop.first(prev_hash=SHORT_HASH),
        "hash by HMAC": lambda shop: shop.first(prev_hash=cbor.encode([5, bytes(32)])),
        "hash changes on the way": lambda shop: shop.last(hash_type=shop.other_hash),
        "two hashes in one entry": lambda shop: shop.first(
            header_hash=cbor.encode(
                Hash.of(shop.other_hash, shop.chain.voucher.header.info).to_item()
            )
        ),
        "says ES384": lambda shop: shop.last(protected=cbor.encode({1: -35})),
        "says more than its algorithm": lambda shop: shop.last(
            protected=cbor.encode({1: shop.owner.signer.alg, 2: [4], 4: b"x"})
        ),
        "says no algorithm": lambda shop: shop.last(protected=b""),
        "signature mostly zeros": lambda shop: shop.last(
            signature=b"\xd2" * 16 + bytes(48)
        ),
        "signature in DER": lambda shop: shop.last(signature=b"\x30" + bytes(70)),
    },
    "key_types": {
        "sold to a P-384 key": lambda shop: shop.last(key=PublicKey.of(P384).raw),
        "sold to an RSA key": lambda shop: shop.last_key(1, 1, shop.rsa_spki()),
    },
    "key_chains": {
        "owner chain of two families": lambda shop: shop.last_key(
            shop.key_type, 2, [shop.owner_chain()[0], shop.root_der()]
        ),
        "owner chain upside down": lambda shop: shop.last_key(
            shop.key_type, 2, [*shop.owner_chain(), shop.owner_chain()[0]]
        ),
        "owner chain through a leaf": lambda shop: shop.last_key(
            shop.key_type, 2, shop.owner_under_a_leaf()
        ),
    },
    "limits": {
        "11 device certificates": lambda shop: shop.certified(
            *[shop.chain.device_root] * 11
        ),
        "256 entries": lambda shop: Forge(
            shop.chain, (), entries_head=b"\x99\x01\x00" + b"\xf6" * 256
        ).encode(),
        "entry over 31 KiB": lambda shop: shop.last(
            extra=b"\xa1\x01\x59\x7c\x00" + bytes(31 * 1024)
        ),
        "over 1 MiB": lambda shop: Forge(
            shop.chain,
            (),
            entries_head=b"\x98\xff" + (b"\x59\x12\x00" + bytes(0x1200)) * 255,
        ).encode(),
    },
}


def every_case() -> dict[str, tuple[str, Build]]:
    """Return all of them by name, each with the verdict that must come out.

    That is ``ok``, ``malformed``, ``unsupported_key``, or each check that fails.
    """
    cases = {name: ("ok", build) for name, build in ACCEPTED.items()}
    cases |= {name: ("malformed", build) for name, build in MALFORMED.items()}
    cases |= {name: ("malformed", build) for name, build in SPOILT_KEYS.items()}
    cases |= {name: ("unsupported_key", build) for name, build in UNSUPPORTED.items()}
    for check, forgeries in FAILING.items():
        cases |= {name: (check, build) for name, build in forgeries.items()}
    return cases


def file_of(name: str) -> str:
    """Return the name of the vector file of a case."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".txt"


def write(
    folder: Path, cases: Mapping[str, tuple[str, Build]], kind: str, prefix: str = ""
) -> None:
    """Write one file for each case, with keys of that kind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (verdict, build) in cases.items():
        shop = Workshop(kind)
        data = build(shop)
        if len(data) > LARGEST:
            continue  # a big file would show nothing that its name does not say
        lines = textwrap.wrap(data.hex(), 80)
        head = (
            f"expect: {verdict}",
            f"case: {name}",
            f"kind: {kind}",
            "source: written by tests/support/forgeries.py after FDO 1.1, section 3.4",
            "keys: TEST KEYS, made for this file and thrown away",
            f"hmac-secret: {shop.chain.hmac_secret.hex()}",
            "",
        )
        file = folder / file_of(f"{prefix}{name}")
        file.write_text("\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    write(Path(sys.argv[1]), every_case(), "P-256")
