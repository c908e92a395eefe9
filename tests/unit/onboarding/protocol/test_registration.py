"""Which registration gives way to which: the rule for itself, case by case."""

import pytest

from onboarding.protocol.registration import Claim


def claim(
    *sales: str, owner: str | None = None, header: bytes = b"header" * 5 + b".."
) -> Claim:
    """A chain of entries by name; the owner is the last one's buyer, unless named."""
    entries = tuple(one.encode().ljust(32) for one in sales)
    return Claim(owner or sales[-1], header, entries)


STANDING = claim("dealer", "shop", "owner")
GIVES_WAY = {
    "the same voucher": STANDING,
    "the next buyer's": claim("dealer", "shop", "owner", "buyer"),
    "a buyer's, two sales on": claim("dealer", "shop", "owner", "buyer", "next"),
    "the same owner's, sold and bought back": claim(
        "dealer", "shop", "owner", "buyer", "owner again", owner="owner"
    ),
    "the same owner's, signed over to it anew": claim(
        "dealer", "shop", "owner, once more", owner="owner"
    ),
    "the same owner's, by a longer way": claim(
        "dealer", "other shop", "trader", "owner", owner="owner"
    ),
}
STANDS = {
    "a seller's": (claim("dealer", "shop"), "sold on since"),
    "the first dealer's": (claim("dealer"), "sold on since"),
    "a shorter one of the same owner": (claim("dealer", "owner"), "sold on since"),
    "a fork as long": (claim("dealer", "shop", "thief"), "does not go on"),
    "a longer fork": (claim("dealer", "shop", "x", "thief"), "does not go on"),
    "another header": (
        claim("dealer", "shop", "owner", header=bytes(32)),
        "another voucher",
    ),
    "another header, longer": (
        claim("dealer", "shop", "owner", "thief", header=bytes(32)),
        "another voucher",
    ),
    "no entries": (Claim("owner", STANDING.header_digest, ()), "sold on since"),
}


@pytest.mark.parametrize("name", GIVES_WAY)
def test_a_registration_gives_way_to(name: str) -> None:
    assert STANDING.objection(GIVES_WAY[name]) is None


@pytest.mark.parametrize("name", STANDS)
def test_a_registration_stands_against(name: str) -> None:
    newer, words = STANDS[name]
    assert words in str(STANDING.objection(newer))
