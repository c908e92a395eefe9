"""Vectors made by go-fdo, and our own, in both directions."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.errors import Check, CheckFailed
from ownership_vouchers.extend import extend
from ownership_vouchers.header import Header
from ownership_vouchers.keys import KeyType
from ownership_vouchers.pem import dump_pem, load_vouchers
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Hash, HashType
from ownership_vouchers.verify import failed_checks, verify
from ownership_vouchers.voucher import Voucher
from tests.support.forged_kinds import OTHERS, own_cases
from tests.support.forgeries import every_case, file_of
from tests.support.verdicts import Vector, verdict

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = json.loads((VECTORS / "fdo/keys.json").read_text())["keys"]
GIVEN = json.loads((VECTORS / "fdo/vouchers.json").read_text())
VOUCHERS: dict[str, Any] = {one["name"]: one for one in GIVEN["vouchers"]}
NEGATIVE: dict[str, Any] = {
    one["mutation"]: one
    for one in json.loads((VECTORS / "fdo/vouchers_negative.json").read_text())[
        "vectors"
    ]
}
OWN = sorted((VECTORS / "vouchers").glob("*.txt"))


def voucher_of(record: Any) -> Voucher:
    return Voucher.from_cbor(bytes.fromhex(record["voucher"]))


def signer_of(name: str, *, pss: bool) -> SoftSigner:
    key = load_der_private_key(bytes.fromhex(KEYS[name]["private_pkcs8_der"]), None)
    return SoftSigner(key, pss=pss)  # type: ignore[arg-type]  # all are EC or RSA


def knowledge(record: Any) -> Any:
    kind = HashType(record["mfg_pubkey_hash_alg"])
    return {
        "hmac_secret": bytes.fromhex(record["hmac_secret"]),
        "mfg_key_hash": Hash(kind, bytes.fromhex(record["mfg_pubkey_hash"])),
    }


@pytest.mark.parametrize("record", VOUCHERS.values(), ids=VOUCHERS)
def test_every_given_voucher_holds(record: Any) -> None:
    voucher = voucher_of(record)
    verified = verify(voucher, **knowledge(record))
    assert Check.HEADER_HMAC in verified.checks
    owner = bytes.fromhex(KEYS[record["owner_key"]]["public_spki_der"])
    assert voucher.owner_key.spki == owner
    assert voucher.guid.hex == record["guid"]
    assert voucher.header.device_info == record["device_info"]


@pytest.mark.parametrize("record", VOUCHERS.values(), ids=VOUCHERS)
def test_every_given_voucher_is_written_again_byte_for_byte(record: Any) -> None:
    voucher = voucher_of(record)
    given, header = bytes.fromhex(record["voucher"]), voucher.header
    rv_info = RendezvousInfo.build(header.rv_info.describe())
    again = Header.build(
        header.guid,
        rv_info,
        header.device_info,
        header.manufacturer_key,
        header.cert_chain_hash,
    )
    assert again.raw.hex() == record["header"]
    built = Voucher.build(again, voucher.hmac, voucher.cert_chain)
    for entry in voucher.entries:
        built = built.with_entry(entry.raw)
    assert built.raw == given
    assert cbor.encode(cbor.decode(given)) == given
    assert load_vouchers(dump_pem(voucher).encode()) == [voucher]


@pytest.mark.parametrize("record", VOUCHERS.values(), ids=VOUCHERS)
def test_every_recorded_hash_is_what_we_compute(record: Any) -> None:
    voucher = voucher_of(record)
    mac = voucher.header.mac(
        HashType(record["hmac_alg"]), bytes.fromhex(record["hmac_secret"])
    )
    assert mac.value.hex() == record["hmac"]
    kind = HashType(record["mfg_pubkey_hash_alg"])
    assert voucher.header.key_hash(kind).value.hex() == record["mfg_pubkey_hash"]
    named = voucher.header.cert_chain_hash
    assert named is not None
    chain_hash = Hash.of(named.type, *voucher.cert_chain or ())
    assert chain_hash.value.hex() == record["cert_chain_hash"]
    previous = voucher.header.raw + voucher.hmac_raw
    for entry, noted in zip(voucher.entries, record["entries"] or (), strict=True):
        kind = HashType(noted["prev_hash_alg"])
        assert len(previous) == noted["prev_hash_input_len"]
        assert Hash.of(kind, previous).value.hex() == noted["prev_hash"]
        info = Hash.of(kind, voucher.header.info)
        assert info.value.hex() == noted["hdr_info_hash"]
        previous = entry.raw


@pytest.mark.parametrize("record", VOUCHERS.values(), ids=VOUCHERS)
def test_every_given_voucher_is_extended_again_to_the_same_payloads(
    record: Any,
) -> None:
    given = voucher_of(record)
    voucher = Voucher.build(given.header, given.hmac, given.cert_chain)
    pss = given.header.manufacturer_key.type is KeyType.RSAPSS
    for entry, noted in zip(given.entries, record["entries"] or (), strict=True):
        signer = signer_of(noted["signer"], pss=pss)
        extended = extend(
            voucher, signer, voucher.owner_key, entry.public_key, entry.extra
        )
        written = extended.entries[-1].sign1
        assert written.payload == entry.sign1.payload
        assert written.protected == entry.sign1.protected
        voucher = voucher.with_entry(entry.raw)  # ours is signed anew each time
    assert voucher == given


@pytest.mark.parametrize("record", NEGATIVE.values(), ids=NEGATIVE)
def test_every_negative_voucher_is_refused_by_the_checks_it_names(record: Any) -> None:
    named = set(record["must_fail"].split(", ")) - {""}
    voucher = voucher_of(record)
    known = knowledge(VOUCHERS[record["base"]])
    found = [failure.check.value for failure in failed_checks(voucher, **known)]
    assert named <= set(found)
    if not named:
        assert found == []
        return
    with pytest.raises(CheckFailed) as caught:
        verify(voucher, **known)
    assert caught.value.check.value in named


def test_the_given_pem_file_is_read() -> None:
    example = GIVEN["pem_example"]
    assert load_vouchers(example["pem"].encode()) == [
        voucher_of(VOUCHERS[example["of"]])
    ]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_our_own_vectors_get_the_verdict_they_state(path: Path) -> None:
    vector = Vector.read(path)
    secret = bytes.fromhex(vector.fields["hmac-secret"])
    assert verdict(vector.data, secret) == vector.fields["expect"]


def test_every_forgery_that_is_not_long_is_there_and_says_where_it_comes_from() -> None:
    forgeries = {file_of(name): "P-256" for name in every_case()}
    forgeries |= {
        file_of(f"{kind} {name}"): kind for kind in OTHERS for name in own_cases(kind)
    }
    missing = forgeries.keys() - {path.name for path in OWN}
    assert missing == {
        "entry-over-31-kib.txt",
        "header-over-31-kib.txt",
        "over-1-mib.txt",
    }
    for path in OWN:
        fields = Vector.read(path).fields
        assert fields["source"]
        assert fields.get("kind", "P-256") == forgeries[path.name]
