"""The forgeries of ``forgeries`` with keys of every kind.

What says a kind of key is other for each: such a case gives way to the one of its kind.
``python -m tests.support.forged_kinds FOLDER`` writes down those and a good voucher.
"""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ownership_vouchers.algorithms import Alg
from tests.support.forgeries import Build, every_case, write

Cases = Mapping[str, tuple[str, Build]]

P256_ONLY = frozenset(
    {
        "key: P-256 called P-384",
        "sold to a P-384 key",
        "sold to an RSA key",
        "says ES384",
    }
)
CURVES_ONLY = frozenset(
    {
        "key: COSE without kty",
        "key: COSE with short x",
        "key: COSE with sign of y",
        "key: COSE off its curve",
        "signature in DER",
    }
)
_RSA: Cases = {
    "key: RSA called P-256": (
        "unsupported_key",
        lambda shop: shop.last_key(10, 1, shop.owner.public_key.spki),
    ),
    "key: COSE for RSA": (
        "unsupported_key",
        lambda shop: shop.last_key(shop.key_type, 3, {1: 3, -1: bytes(256), -2: b"x"}),
    ),
    "sold to a P-256 key": ("key_types", lambda shop: shop.sold_to("P-256", 10)),
    "signature of 71 bytes": (
        "entries",
        lambda shop: shop.last(signature=b"\x30" + bytes(70)),
    ),
}
_INSTEAD: Mapping[str, Cases] = {
    "P-384": {
        "key: P-384 called P-256": (
            "unsupported_key",
            lambda shop: shop.last_key(10, 1, shop.owner.public_key.spki),
        ),
        "sold to a P-256 key": ("key_types", lambda shop: shop.sold_to("P-256", 10)),
        "sold to an RSA key": ("key_types", lambda shop: shop.sold_to("RSA-3072", 5)),
        "says ES256": ("entries", lambda shop: shop.claiming(Alg.ES256)),
    },
    "RSA-2048": {
        **_RSA,
        "sold to an RSA key of 3072 bits": (
            "key_types",
            lambda shop: shop.sold_to("RSA-3072", 5),
        ),
        "sold to a key for PSS": (
            "key_types",
            lambda shop: shop.sold_to("RSA-2048", 6),
        ),
        "says RS384": ("entries", lambda shop: shop.claiming(Alg.RS384)),
        "says PS256": ("entries", lambda shop: shop.claiming(Alg.PS256)),
    },
    "RSA-3072": {
        **_RSA,
        "key: RSA-3072 called RSA-2048": (
            "unsupported_key",
            lambda shop: shop.last_key(1, 1, shop.owner.public_key.spki),
        ),
        "sold to an RSA key of 2048 bits": (
            "key_types",
            lambda shop: shop.sold_to("RSA-2048", 5),
        ),
        "sold to a key for PSS": (
            "key_types",
            lambda shop: shop.sold_to("RSA-3072", 6),
        ),
        "says RS256": ("entries", lambda shop: shop.claiming(Alg.RS256)),
        "says PS384": ("entries", lambda shop: shop.claiming(Alg.PS384)),
    },
    "RSA-2048-PSS": {
        **_RSA,
        "sold to a key for PKCS": (
            "key_types",
            lambda shop: shop.sold_to("RSA-2048", 1),
        ),
        "says RS256": ("entries", lambda shop: shop.claiming(Alg.RS256)),
        "signed as PKCS": (
            "entries",
            lambda shop: shop.first(signer=shop.maker_without_pss()),
        ),
    },
    "RSA-3072-PSS": {
        **_RSA,
        "sold to a key for PKCS": (
            "key_types",
            lambda shop: shop.sold_to("RSA-3072", 5),
        ),
        "says RS384": ("entries", lambda shop: shop.claiming(Alg.RS384)),
        "signed as PKCS": (
            "entries",
            lambda shop: shop.first(signer=shop.maker_without_pss()),
        ),
    },
}


@cache
def cases_of(kind: str) -> Cases:
    """Return every forgery there is with keys of that kind, by name."""
    left_out = set() if kind == "P-256" else set(P256_ONLY)
    if kind.startswith("RSA"):
        left_out |= CURVES_ONLY
    cases = every_case()
    return {
        **{name: case for name, case in cases.items() if name not in left_out},
        **_INSTEAD.get(kind, {}),
    }


def own_cases(kind: str) -> Cases:
    """Return the forgeries that only keys of that kind have, and the good voucher."""
    return {"good": every_case()["good"], **_INSTEAD[kind]}


OTHERS = tuple(_INSTEAD)


if __name__ == "__main__":
    for other in OTHERS:
        write(Path(sys.argv[1]), own_cases(other), other, f"{other} ")
