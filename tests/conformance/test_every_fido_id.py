"""Each wrong thing that the FIDO Alliance's tool tries is in our own tables, too.

So what it found stays found where the tool is not.
"""

from collections.abc import Mapping

import pytest

from onboarding.wire.message import MsgType as M
from tests.conformance.test_answers import CASES as ANSWERS
from tests.support.forgeries import every_case
from tests.support.interop.fido_ids import DEVICE, OWNER, RENDEZVOUS
from tests.support.profile_cases import CASES as REQUESTS

Where = str | M
"""The name of a case, or the message that is overwritten."""

SERVERS: Mapping[str, Where] = {
    "FIDO_RVT_20_BAD_ENCODING": M.TO0_HELLO,
    "FIDO_RVT_22_BAD_TO0D_ENCODING": "to0d overwritten",
    "FIDO_RVT_22_BAD_OWNERSIGN_ENCODING": M.TO0_OWNER_SIGN,
    "FIDO_RVT_22_BAD_SIGNATURE": "to1d signature overwritten",
    "FIDO_RVT_22_BAD_TO0D_HASH": "to1d hash overwritten",
    "FIDO_RVT_22_BAD_TO0SIGN_NONCE": "nonce of nobody",
    "FIDO_RVT_22_BAD_RENDEVOUZ_BLOB": "neither IP nor name",
    "FIDO_DEVT_30_BAD_ENCODING": M.TO1_HELLO_RV,
    "FIDO_DEVT_30_BAD_UNKNOWN_GUID": "30 GUID unknown",
    "FIDO_DEVT_30_BAD_SIGINFO": "30 signature type unknown",
    "FIDO_DEVT_32_BAD_PROVE_TO_RV_PAYLOAD_ENCODING": "32 claims overwritten",
    "FIDO_DEVT_32_BAD_ENCODING": M.TO1_PROVE_TO_RV,
    "FIDO_DEVT_32_BAD_SIGNATURE": "32 signature overwritten",
    "FIDO_DEVT_32_BAD_TO1PROOF_NONCE": "32 nonce of nobody",
    "FIDO_DOT_60_BAD_ENCODING": M.TO2_HELLO_DEVICE,
    "FIDO_DOT_62_BAD_ENCODING": M.TO2_GET_OV_NEXT_ENTRY,
    "FIDO_DOT_62_GETOVNEXT_BAD_INDEX": "62 index after the last",
    "FIDO_DOT_64_BAD_ENCODING": M.TO2_PROVE_DEVICE,
    "FIDO_DOT_64_BAD_EAT_PAYLOAD": "64 claims overwritten",
    "FIDO_DOT_64_BAD_SIGNATURE": "64 signature overwritten",
    "FIDO_DOT_64_BAD_NONCE_PROVEDV61": "64 nonce of nobody",
    "FIDO_DOT_66_BAD_ENCODING": M.TO2_DEVICE_SERVICE_INFO_READY,
    "FIDO_DOT_66_BAD_ENCRYPTION": "66 sealed twice",
    "FIDO_DOT_68_BAD_ENCODING": M.TO2_DEVICE_SERVICE_INFO,
    "FIDO_DOT_68_BAD_ENCRYPTION": "68 sealed twice",
    "FIDO_DOT_70_BAD_ENCODING": M.TO2_DONE,
    "FIDO_DOT_70_BAD_ENCRYPTION": "70 sealed twice",
    "FIDO_DOT_70_BAD_NONCE_PROVE_DV_61": "70 nonce of nobody",
}
# The tool states a code for each, and compares none. Those that are not 100:
CODES: Mapping[str, int] = {
    "FIDO_RVT_22_BAD_SIGNATURE": 3,
    "FIDO_RVT_22_BAD_TO0D_HASH": 101,
    "FIDO_RVT_22_BAD_TO0SIGN_NONCE": 101,
    "FIDO_RVT_22_BAD_RENDEVOUZ_BLOB": 101,
    "FIDO_DEVT_30_BAD_UNKNOWN_GUID": 6,
    "FIDO_DEVT_30_BAD_SIGINFO": 101,
    "FIDO_DEVT_32_BAD_SIGNATURE": 101,
    "FIDO_DEVT_32_BAD_TO1PROOF_NONCE": 101,
    "FIDO_DOT_62_GETOVNEXT_BAD_INDEX": 101,
    "FIDO_DOT_64_BAD_SIGNATURE": 101,
    "FIDO_DOT_64_BAD_NONCE_PROVEDV61": 101,
    "FIDO_DOT_70_BAD_NONCE_PROVE_DV_61": 101,
}
VOUCHERS: Mapping[str, str] = {
    "HEADER_BAD_PROT_VERSION": "header of version 100",
    "HEADER_BAD_RVINFO_EMPTY": "empty rendezvous info",
    "HEADER_BAD_DEVICEINFO_EMPTY": "empty device info",
    "HEADER_BAD_PUBKEY": "maker's key: a map for a body",
    "HEADER_BAD_CERTCHAIN_HASH": "hash of another chain",
    "BAD_HEADER_BYTES": "header overwritten",
    "BAD_HDR_HMAC": "chain turned round",
    "BAD_PROT_VERSION": "voucher of version 100",
    "BAD_CHAIN": "noise after the chain",
    "ENTRY_BAD_PREV_HASH": "previous hash of nothing",
    "ENTRY_BAD_SIGNATURE": "signature mostly zeros",
    "ENTRY_BAD_PUBKEY": "key: a map for a body",
}
DEVICES: Mapping[str, Where] = {
    "30_BAD_ENCODING": M.TO1_HELLO_RV_ACK,
    "32_BAD_ENCODING": M.TO1_RV_REDIRECT,
    "60_BAD_OVHDR_OVHEADER": "61 header overwritten",
    "60_BAD_NONCE_TO2PROVEOV": "61 nonce of nobody",
    "60_BAD_EBSIGNINFO": "61 signature type of P-384",
    "60_BAD_HELLODEVICEHASH": "61 hash of another hello",
    "60_BAD_COSE_SIGNATURE": "61 protected header overwritten",
    "60_BAD_HELLOACK_PAYLOAD_ENCODING": "61 payload overwritten",
    "60_BAD_HELLOACK_ENCODING": M.TO2_PROVE_OV_HDR,
    "62_BAD_OVENTRY_COSE_SIGNATURE": "63 protected header overwritten",
    "62_BAD_OVNEXTENTRY_PAYLOAD": M.TO2_OV_NEXT_ENTRY,
    "62_BAD_OVENTRYNUM": "63 under the number after it",
    "64_BAD_NONCE_TO2SETUPDV": "65 nonce of nobody",
    "64_BAD_SETUPDEVICE_PAYLOAD": "65 payload overwritten",
    "64_BAD_SETUPDEVICE_COSE_SIGNATURE": "65 signature overwritten",
    "64_BAD_SETUPDEVICE_BYTES": M.TO2_SETUP_DEVICE,
    "64_BAD_ENC_WRAPPING": "65 sealed twice",
    "64_BAD_SETUPDEVICE_ENCODING": M.TO2_SETUP_DEVICE,
    "66_BAD_ENCODING": M.TO2_OWNER_SERVICE_INFO_READY,
    "66_BAD_ENC_WRAPPING": "67 sealed twice",
    "68_BAD_ENCODING": M.TO2_OWNER_SERVICE_INFO,
    "68_BAD_ENC_WRAPPING": "69 sealed twice",
    "70_BAD_NONCE_TO2SETUPDV64": "71 nonce of nobody",
    "70_BAD_DONE71_ENCODING": M.TO2_DONE2,
    "70_BAD_ENC_WRAPPING": "71 sealed twice",
}
# Not of one message: each has a test of its own, in test_order, test_to2_order and
# test_device_keeps.
APART = {
    "FIDO_DOT_68_BAD_COMPLETION_LOGIC",
    "FIDO_LISTENER_DEVICE_32_BAD_TO1D",
    "FIDO_LISTENER_DEVICE_60_MISSING_AUTHZ_HEADER",
}


def test_every_wrong_thing_has_a_place() -> None:
    wrong = {id for id in (*RENDEZVOUS, *OWNER, *DEVICE) if "BAD" in id or "MISS" in id}
    placed = {
        *SERVERS,
        *(f"FIDO_TEST_VOUCHER_{name}" for name in VOUCHERS),
        *(f"FIDO_LISTENER_DEVICE_{name}" for name in DEVICES),
    }
    assert wrong == placed | APART


def test_every_place_is_there() -> None:
    assert {one for one in SERVERS.values() if isinstance(one, str)} <= set(REQUESTS)
    assert {one for one in DEVICES.values() if isinstance(one, str)} <= set(ANSWERS)
    assert set(VOUCHERS.values()) <= set(every_case())


@pytest.mark.parametrize("name", SERVERS)
def test_our_code_is_the_one_that_the_tool_states(name: str) -> None:
    where = SERVERS[name]
    code = REQUESTS[where].code if isinstance(where, str) else 100
    assert code == CODES.get(name, 100)
