"""The answer tables with keys of every kind.

What is wrong with P-256 keys may be right with others: such a case gives way to the
one of its kind that is wrong there.
"""

from collections.abc import Mapping

from onboarding.protocol.kex.group import GROUPS
from onboarding.wire.message import KexSuite
from onboarding.wire.message import MsgType as M
from ownership_vouchers import cbor
from tests.support.alterations import put
from tests.support.answer_cases import DI, TO0, TO1, TO2
from tests.support.cases import Case, Wrong, by_owner, just

CASES: Mapping[str, Case] = {**DI, **TO0, **TO1, **TO2}
_31, _61 = M.TO1_HELLO_RV_ACK, M.TO2_PROVE_OV_HDR

_P384: Mapping[str, Case | None] = {
    "31 signature type of P-384": None,
    "31 signature type of P-256": Case(_31, Wrong.SUITE, just(put(-7, 1, 0)), 101),
    "61 signature type of P-384": None,
    "61 signature type of P-256": Case(_61, Wrong.SUITE, by_owner(put(-7, 4, 0)), 101),
    "61 claims ES384": None,
    "61 claims ES256": Case(_61, Wrong.SUITE, just(put(cbor.encode({1: -7}), 0)), 101),
}


def _in_a_field(suite: KexSuite) -> Mapping[str, Case | None]:
    """What is wrong with an owner's half of a key exchange in that finite field."""
    prime, size = GROUPS[suite].prime, GROUPS[suite].size + 1
    wrong = {"0": 0, "1": 1, "p - 1": prime - 1, "p": prime, "over p": prime << 8}
    return {
        "61 key exchange off its curve": None,
        "61 key exchange cut": None,
        "61 key exchange of no bytes": Case(
            _61, Wrong.ENCODING, by_owner(put(b"", 5)), 100
        ),
        **{
            f"61 key exchange that is {name}": Case(
                _61, Wrong.SUITE, by_owner(put(value.to_bytes(size, "big"), 5)), 101
            )
            for name, value in wrong.items()
        },
    }


_A256: Mapping[str, Case | None] = {
    f"{int(kind)} said to be of another cipher": Case(
        kind, Wrong.SUITE, just(put(cbor.encode({1: 1}), 0)), 100, envelope=True
    )
    for kind in (
        M.TO2_SETUP_DEVICE,
        M.TO2_OWNER_SERVICE_INFO_READY,
        M.TO2_OWNER_SERVICE_INFO,
        M.TO2_DONE2,
    )
}
_INSTEAD: Mapping[KexSuite, Mapping[str, Case | None]] = {
    KexSuite.ECDH256: {},
    KexSuite.ECDH384: _P384,
    KexSuite.DHKEXID14: _in_a_field(KexSuite.DHKEXID14),
    KexSuite.DHKEXID15: {**_in_a_field(KexSuite.DHKEXID15), **_A256},
}


def answers_of(kex: KexSuite) -> Mapping[str, Case]:
    """Return the answers to refuse in runs with that key exchange, by name.

    Runs with DHKEXid15 have A256GCM, those with the others another cipher.
    """
    found = {**CASES, **_INSTEAD[kex]}
    return {name: case for name, case in found.items() if case is not None}
