"""What goes with what: keys, encodings, key exchanges and ciphers, as tables have them.

Names are those of go-fdo-client. Source: FDO 1.1, sections 3.3.4, 3.6.5 and 4.4.
"""

from collections.abc import Collection
from itertools import product

import pytest
from _pytest.mark import ParameterSet

KEX = {
    "ec256": ("ECDH256",),
    "ec384": ("ECDH384",),
    "rsa2048": ("DHKEXid14", "ASYMKEX2048"),
    "rsa3072": ("DHKEXid15", "ASYMKEX3072"),
    "pss2048": ("DHKEXid14", "ASYMKEX2048"),
    "pss3072": ("DHKEXid15", "ASYMKEX3072"),
}
CIPHERS = (
    "A128GCM",
    "A192GCM",
    "A256GCM",
    "COSEAES128CTR",
    "COSEAES256CTR",
    "COSEAES128CBC",
    "COSEAES256CBC",
)
ROWS, COLUMN = ("key", "encoding", "kex"), "cipher"

Cell = tuple[str, str, str, str]


def encodings(key: str) -> tuple[str, ...]:
    """The encodings of a key of that kind; COSE keys are of curves only."""
    return ("x509", "x5chain", "cose") if key.startswith("ec") else ("x509", "x5chain")


def combinations(keys: Collection[str], brief: Collection[Cell]) -> list[ParameterSet]:
    """Every cell for these keys; all but the ``brief`` ones only in a full run."""
    return [
        pytest.param(*cell, marks=() if cell in brief else pytest.mark.full)
        for key in keys
        for cell in product([key], encodings(key), KEX[key], CIPHERS)
    ]
