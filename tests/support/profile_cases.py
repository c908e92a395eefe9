"""The request tables as each profile has them.

What is wrong with P-256 keys may be right with others: such a case gives way to the
one of its kind that is wrong there.
"""

from collections.abc import Mapping

from onboarding.wire.message import MsgType as M
from ownership_vouchers import cbor
from tests.support.alterations import change, flip, put
from tests.support.cases import Case, Wrong, by_device, just
from tests.support.profiles import P256, P384, RSA, Profile
from tests.support.request_cases import DI, TO0, TO1
from tests.support.to2_request_cases import TO2

W = Wrong
CASES: Mapping[str, Case] = {**DI, **TO0, **TO1, **TO2}
ES256 = cbor.encode({1: -7})

_P384: Mapping[str, Case | None] = {
    "to1d claims ES384": None,
    "to1d claims ES256": Case(M.TO0_OWNER_SIGN, W.SUITE, just(put(ES256, 1, 0)), 3),
    "30 signature type of P-384": None,
    "30 signature type of P-256": Case(
        M.TO1_HELLO_RV, W.SUITE, just(put(-7, 1, 0)), 101
    ),
    "32 claims ES384": None,
    "32 claims ES256": Case(M.TO1_PROVE_TO_RV, W.SUITE, just(put(ES256, 0)), 101),
    "60 key exchange of another curve": Case(
        M.TO2_HELLO_DEVICE, W.SUITE, just(put("ECDH256", 3)), 101
    ),
    "60 signature type of P-384": None,
    "60 signature type of P-256": Case(
        M.TO2_HELLO_DEVICE, W.SUITE, just(put(-7, 5, 0)), 101
    ),
    "64 claims ES384": None,
    "64 claims ES256": Case(M.TO2_PROVE_DEVICE, W.SUITE, just(put(ES256, 0)), 101),
}
_RSA: Mapping[str, Case | None] = {
    "60 key exchange by RSA": None,
    "60 key exchange in a finite field": None,
    "60 key exchange on P-256": Case(
        M.TO2_HELLO_DEVICE, W.SUITE, just(put("ECDH256", 3)), 101
    ),
    "64 key exchange off its curve": None,
    "64 key exchange cut": Case(
        M.TO2_PROVE_DEVICE,
        W.SUITE,
        by_device(change(lambda old: old[:-1], -257, 0)),
        101,
    ),
    "64 key exchange too long": Case(
        M.TO2_PROVE_DEVICE,
        W.SUITE,
        by_device(change(lambda old: old + b"\0", -257, 0)),
        101,
    ),
    "64 key exchange that does not decrypt": Case(
        M.TO2_PROVE_DEVICE, W.SUITE, by_device(change(flip, -257, 0)), 101
    ),
    **{
        f"{int(kind)} said to be of another cipher": Case(
            kind, W.SUITE, just(put(cbor.encode({1: 1}), 0)), 100, envelope=True
        )
        for kind in (
            M.TO2_DEVICE_SERVICE_INFO_READY,
            M.TO2_DEVICE_SERVICE_INFO,
            M.TO2_DONE,
        )
    },
}
_INSTEAD: Mapping[str, Mapping[str, Case | None]] = {
    P256.name: {},
    P384.name: _P384,
    RSA.name: _RSA,
}


def cases_of(profile: Profile) -> Mapping[str, Case]:
    """Return what must be refused in a run of that profile, by name."""
    found = {**CASES, **_INSTEAD[profile.name]}
    return {name: case for name, case in found.items() if case is not None}
