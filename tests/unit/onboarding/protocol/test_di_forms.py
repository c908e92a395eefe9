"""Every form of MfgInfo through the manufacturer's side of DI."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.protocol import di_server
from onboarding.protocol.env import DiServerEnv
from onboarding.protocol.errors import ProtocolError, error_code
from onboarding.protocol.step import Step
from onboarding.wire.di import AppStart
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import MfgInfo, NamedDevice
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.header import Header
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey
from tests.support.fdo_roles import NOW
from tests.support.mfg_info_vectors import CASES, KNOWN, vectors
from tests.support.short_roles import CHAIN, request_builder

FOLDER = Path(__file__).parents[3] / "vectors" / "mfginfo"
FILES = sorted(FOLDER.glob("*.txt"))
KNOWN_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
MAKERS: dict[KeyType, VerifyKey] = {
    KeyType.SECP256R1: ec.generate_private_key(ec.SECP256R1()).public_key(),
    KeyType.SECP384R1: ec.generate_private_key(ec.SECP384R1()).public_key(),
    KeyType.RSA2048RESTR: rsa.generate_private_key(65537, 2048).public_key(),
    KeyType.RSAPSS: rsa.generate_private_key(65537, 3072).public_key(),
}


def answer(body: bytes, seen: list[VerifyKey] | None = None) -> Step:
    def issue(key: VerifyKey, _serial: str) -> tuple[bytes, ...]:
        if seen is not None:
            seen.append(key)
        return CHAIN.voucher.cert_chain or ()

    env = DiServerEnv(
        NOW,
        lambda size: bytes(size),
        lambda _info: CHAIN.rv_info,
        lambda kind, encoding, _: PublicKey.of(MAKERS[kind], encoding),
        issue,
        lambda name: KNOWN_KEY if name == KNOWN else None,
    )
    return di_server.step(None, MsgType.DI_APP_START, body, env)


def verdict(body: bytes) -> str:
    try:
        answer(body)
    except (ProtocolError, VoucherError) as error:
        return str(int(error_code(error)))
    return "accepted"


def read(path: Path) -> tuple[dict[str, str], bytes]:
    head, _, data = path.read_text().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return fields, bytes.fromhex(data)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_form_gets_its_verdict(path: Path) -> None:
    fields, body = read(path)
    assert verdict(body) == fields["expect"]


def test_the_files_are_those_that_are_made() -> None:
    assert {path.name: path.read_text() for path in FILES} == vectors()


def test_a_device_that_sends_only_its_name_gets_the_key_that_is_known_by_it() -> None:
    seen: list[VerifyKey] = []
    step = answer(CASES["rs with a name that is known"].body, seen)
    assert seen == [KNOWN_KEY]
    header = Header.from_cbor(step.reply)  # bare, as that device reads it
    assert header.device_info == KNOWN
    assert header.manufacturer_key.encoding is KeyEncoding.X509


def test_a_device_that_signed_a_request_is_told_from_one_whose_key_was_known() -> None:
    for name, proven in (("go with P-256", True), ("rs not wrapped", False)):
        state = answer(CASES[name].body).state
        assert state is not None
        assert di_server.decode_state(state.encode()).making.proven is proven


def test_a_field_left_out_does_not_move_the_others() -> None:
    body = CASES["java without a device info"].body
    whole = AppStart.from_cbor(CASES["go with P-256"].body).mfg_info
    found = AppStart.from_cbor(body).mfg_info
    assert isinstance(found, MfgInfo)
    assert isinstance(whole, MfgInfo)
    assert (found.serial, found.csr) == (whole.serial, whole.csr)
    assert found.device_info == ""


@pytest.mark.parametrize("form", [None, NamedDevice("SN-1")])
def test_forms_without_fields_survive_the_wire(form: NamedDevice | None) -> None:
    assert AppStart.from_cbor(AppStart(form).encode()).mfg_info == form


WEAK = {
    "RSA of 1024 bits": rsa.generate_private_key(65537, 1024),  # noqa: S505
    "RSA of 4096 bits": rsa.generate_private_key(65537, 4096),
    "RSA with exponent 3": rsa.generate_private_key(3, 2048),
}


@pytest.mark.parametrize("pss", [False, True], ids=["PKCS1", "PSS"])
@pytest.mark.parametrize("name", WEAK)
def test_weak_or_unknown_rsa_keys_are_refused(name: str, pss: bool) -> None:
    assert verdict(rsa_body(WEAK[name], pss)) == "101"


def rsa_body(key: rsa.RSAPrivateKey, pss: bool) -> bytes:
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    request = request_builder().sign(key, hashes.SHA256(), rsa_padding=scheme)
    fields = [
        KeyType.RSA2048RESTR,
        1,
        "SN-1",
        "board",
        request.public_bytes(Encoding.DER),
    ]
    return cbor.encode([cbor.encode(fields)])


@pytest.mark.parametrize("pss", [False, True], ids=["PKCS1", "PSS"])
def test_an_rsa_request_is_checked_by_the_scheme_that_it_names(pss: bool) -> None:
    key = rsa.generate_private_key(65537, 2048)
    body = rsa_body(key, pss)
    assert verdict(body) == "accepted"
