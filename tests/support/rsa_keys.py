"""RSA keys without the wait: their primes are given. TEST KEYS.

To look for two primes of 1536 bits takes half a second, and a test run wants dozens.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

_FILE = Path(__file__).parents[1] / "vectors" / "rsa" / "primes.json"
_EXPONENT = 65537
_turns: defaultdict[int, Iterator[int]] = defaultdict(count)


@cache
def rsa_key(bits: int, name: str) -> rsa.RSAPrivateKey:
    """Return the key of that name, another one for each."""
    place, given = next(_turns[bits]), _primes(bits)
    if place >= len(given):
        return rsa.generate_private_key(_EXPONENT, bits)
    p, q = given[place]
    d = rsa.rsa_recover_private_exponent(_EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(_EXPONENT, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@cache
def _primes(bits: int) -> Sequence[tuple[int, int]]:
    given = json.loads(_FILE.read_text())["primes"].get(str(bits), [])
    return [(int(p, 16), int(q, 16)) for p, q in given]
