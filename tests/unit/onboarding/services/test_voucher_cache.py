"""The cache of parsed vouchers."""

from onboarding.services.voucher_cache import VoucherCache

A, B = b"a" * 16, b"b" * 16


def test_a_voucher_is_parsed_once_for_the_same_bytes() -> None:
    cache: VoucherCache[object] = VoucherCache(4)
    first = cache.get(A, b"1", object)
    assert cache.get(A, b"1", object) is first


def test_changed_bytes_are_parsed_anew() -> None:
    cache: VoucherCache[object] = VoucherCache(4)
    first = cache.get(A, b"1", object)
    assert cache.get(A, b"2", object) is not first


def test_the_least_recently_used_goes_first() -> None:
    cache: VoucherCache[object] = VoucherCache(2)
    first, second = cache.get(A, b"1", object), cache.get(B, b"1", object)
    cache.get(A, b"1", object)
    cache.get(b"c" * 16, b"1", object)
    assert len(cache) == 2
    assert cache.get(A, b"1", object) is first
    assert cache.get(B, b"1", object) is not second
