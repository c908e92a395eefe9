"""The request tables as each profile has them.

What is wrong with P-256 keys may be right with others: such a case gives way to the
one of its kind that is wrong there.
"""

from collections.abc import Mapping

from onboarding.protocol.kex.group import GROUPS
from onboarding.wire.message import KexSuite
from onboarding.wire.message import MsgType as M
from ownership_vouchers import cbor
from tests.support.alterations import change, flip, put
from tests.support.cases import Case, Wrong, by_device, just
from tests.support.profiles import (
    P256,
    P384,
    PSS2048,
    PSS3072_DH,
    RSA,
    RSA3072,
    RSA_DH,
    Profile,
)
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


def _in_a_field(order: int) -> Mapping[str, Case | None]:
    """What is wrong with a key exchange in a finite field of that order."""
    wrong = {"0": 0, "1": 1, "p - 1": order - 1, "p": order, "over p": order << 8}
    size = order.bit_length() // 8 + 1
    return {
        "64 key exchange off its curve": None,
        "64 key exchange cut": None,
        "64 key exchange too long": Case(
            M.TO2_PROVE_DEVICE,
            W.SIZE,
            by_device(put(bytes(1024), -257, 0)),
            100,
        ),
        "64 key exchange of no bytes": Case(
            M.TO2_PROVE_DEVICE, W.ENCODING, by_device(put(b"", -257, 0)), 100
        ),
        **{
            f"64 key exchange that is {name}": Case(
                M.TO2_PROVE_DEVICE,
                W.SUITE,
                by_device(put(value.to_bytes(size, "big"), -257, 0)),
                101,
            )
            for name, value in wrong.items()
        },
    }


_RSA3072: Mapping[str, Case | None] = {
    "60 key exchange by RSA of 3072 bits": None,
    "60 key exchange in a larger field": None,
    "60 key exchange on P-256": _RSA["60 key exchange on P-256"],
    "64 claims RS256": Case(
        M.TO2_PROVE_DEVICE, W.SUITE, just(put(cbor.encode({1: -257}), 0)), 101
    ),
    "64 claims PS384": Case(
        M.TO2_PROVE_DEVICE, W.SUITE, just(put(cbor.encode({1: -38}), 0)), 101
    ),
    **_in_a_field(GROUPS[KexSuite.DHKEXID15].prime),
    **{name: case for name, case in _RSA.items() if "another cipher" in name},
}
_PSS2048: Mapping[str, Case | None] = {
    "key type we lack": Case(M.DI_APP_START, W.SUITE, just(change(put(1, 0), 0)), 101),
    "60 key exchange by RSA": None,
    "60 key exchange in a finite field": None,
    "60 key exchange on P-256": _RSA["60 key exchange on P-256"],
    "64 claims RS256": _RSA3072["64 claims RS256"],
    **_in_a_field(GROUPS[KexSuite.DHKEXID14].prime),
}
_RSA_DH: Mapping[str, Case | None] = {
    "60 key exchange by RSA": None,
    "60 key exchange in a finite field": None,
    "60 key exchange on P-256": _RSA["60 key exchange on P-256"],
    "64 claims RS384": Case(
        M.TO2_PROVE_DEVICE, W.SUITE, just(put(cbor.encode({1: -258}), 0)), 101
    ),
    **_in_a_field(GROUPS[KexSuite.DHKEXID14].prime),
}
_PSS3072_DH: Mapping[str, Case | None] = {
    **_RSA3072,
    "key type we lack": _PSS2048["key type we lack"],
    "64 claims PS384": None,
    "64 claims RS384": _RSA_DH["64 claims RS384"],
}
_INSTEAD: Mapping[str, Mapping[str, Case | None]] = {
    P256.name: {},
    P384.name: _P384,
    RSA.name: _RSA,
    RSA3072.name: _RSA3072,
    PSS2048.name: _PSS2048,
    RSA_DH.name: _RSA_DH,
    PSS3072_DH.name: _PSS3072_DH,
}


def cases_of(profile: Profile) -> Mapping[str, Case]:
    """Return what must be refused in a run of that profile, by name."""
    found = {**CASES, **_INSTEAD[profile.name]}
    return {name: case for name, case in found.items() if case is not None}
