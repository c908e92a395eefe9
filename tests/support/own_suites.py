"""Our own vectors of key exchanges and ciphers, each alone; the same each time.

``python -m tests.support.own_vectors tests/vectors/own`` writes them. TEST KEYS.
"""

from collections.abc import Callable
from typing import Any

from onboarding.protocol.ciphers import EVERY, CipherSuite
from onboarding.protocol.errors import ProtocolError, error_code
from onboarding.protocol.kex import Draw, answer, new_half, session_key
from onboarding.protocol.kex.ecdh import CURVES
from onboarding.protocol.kex.group import GROUPS
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.errors import VoucherError
from tests.support.fixed_keys import Steady
from tests.support.supply_chain import new_key

ABOUT = (
    "Written by tests/support/own_suites.py of Vouchgate after FDO 1.1, sections 3.6"
    " and 4.4; suites with an HMAC are in go-fdo's form. TEST KEYS."
)
PLAIN = bytes(range(40))
KINDS = {
    KexSuite.ECDH256: "P-256",
    KexSuite.ECDH384: "P-384",
    KexSuite.DHKEXID14: "RSA-2048",
    KexSuite.DHKEXID15: "RSA-3072",
}
"""The suites whose every part can be fixed, and a kind of owner that they go with."""

Change = Callable[[bytes], bytes]


def _flip(at: int) -> Change:
    """Change the last bit of the byte at ``at``, which may count from the end."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at:][1:]


def draw(suite: KexSuite, side: str) -> Draw:
    """Return what one side of an exchange draws."""
    steady = Steady(f"{suite} {side}")
    return Draw(steady, steady.key, steady.dh_key)


def _exchange(suite: KexSuite) -> dict[str, Any]:
    owner_key = new_key(KINDS[suite]).public_key()
    half = new_half(suite, draw(suite, "owner"))
    sent, shared = answer(suite, half.sent, owner_key, draw(suite, "device"))
    return {
        "kex": suite.value,
        "owner_private": _private(suite, "owner"),
        "device_private": _private(suite, "device"),
        "xA": half.sent.hex(),
        "xB": sent.hex(),
        "shared_secret": shared.secret.hex(),
        "context_rand": shared.context.hex(),
        "keys": {
            str(int(cipher)): session_key(cipher, shared).hex()
            for cipher in sorted(EVERY)
        },
        "cases": [_wrong_value(suite, name, data) for name, data in _values(suite)],
    }


def _private(suite: KexSuite, side: str) -> str:
    """The scalar, or the exponent, at the length of the group."""
    _, private, _ = new_half(suite, draw(suite, side)).to_item()
    return cbor.bstr(private).hex()


def _values(suite: KexSuite) -> list[tuple[str, bytes]]:
    if suite in GROUPS:
        p, size = GROUPS[suite].prime, GROUPS[suite].size
        numbers = {"0": 0, "1": 1, "p - 1": p - 1, "p": p, "p + 1": p + 1}
        found = [(name, one.to_bytes(size, "big")) for name, one in numbers.items()]
        return [("nothing", b""), ("too long", bytes(size + 2)), *found]
    good, size = new_half(suite, draw(suite, "owner")).sent, CURVES[suite].size
    return [
        ("nothing", b""),
        ("cut short", good[:-1]),
        ("a byte too many", good + b"\0"),
        ("a random too short", good[: 4 + 2 * size] + b"\0\1\0"),
        ("no x", b"\0\0" + good[2 + size :]),
        ("a point off the curve", _flip(10)(good)),
    ]


def _wrong_value(suite: KexSuite, name: str, data: bytes) -> dict[str, Any]:
    half = new_half(suite, draw(suite, "owner"))
    verdict = _code(lambda: half.owner_shared(data, None))
    return {"name": name, "xB": data.hex(), "verdict": verdict}


def _sealed(cipher: CipherSuite) -> dict[str, Any]:
    steady = Steady(f"cipher {int(cipher)}")
    tunnel = Tunnel(cipher, steady(cipher.key_size))
    wire = tunnel.seal(PLAIN, steady, 3)
    changes: dict[str, Change] = {
        "last bit": _flip(-1),
        "a bit of the text": _flip(-60 if cipher < 0 else -20),
        "cut short": lambda data: data[:-1],
        "a byte too many": lambda data: data + b"\0",
        "another tag": lambda data: b"\xd2" + data[1:],
        "nothing": lambda _data: b"",
    }
    return {
        "cipher": int(cipher),
        "name": cipher.name,
        "key": tunnel.key.hex(),
        "plain": PLAIN.hex(),
        "wire": wire.hex(),
        "cases": [
            _wrong_wire(tunnel, name, change(wire)) for name, change in changes.items()
        ],
    }


def _wrong_wire(tunnel: Tunnel, name: str, wire: bytes) -> dict[str, Any]:
    return {
        "name": name,
        "wire": wire.hex(),
        "verdict": _code(lambda: tunnel.open(wire)),
    }


def _code(run: Callable[[], object]) -> int:
    try:
        run()
    except (ProtocolError, VoucherError) as error:
        return int(error_code(error))
    raise AssertionError("what is wrong was taken")


def suites() -> dict[str, Any]:
    """Return what is written; the same each time."""
    return {
        "about": ABOUT,
        "exchanges": [_exchange(suite) for suite in KINDS],
        "ciphers": [_sealed(cipher) for cipher in sorted(EVERY)],
    }
