"""The cache of parsed vouchers."""

from onboarding.services.voucher_cache import USUAL, VoucherCache

A, B = b"a" * 16, b"b" * 16


def test_a_voucher_is_parsed_once_for_the_same_bytes() -> None:
    cache: VoucherCache[object] = VoucherCache(4)
    first = cache.get(A, b"1", 9, object)
    assert cache.get(A, b"1", 9, object) is first


def test_changed_bytes_are_parsed_anew() -> None:
    cache: VoucherCache[object] = VoucherCache(4)
    first = cache.get(A, b"1", 9, object)
    assert cache.get(A, b"2", 9, object) is not first


def test_the_least_recently_used_goes_first() -> None:
    cache: VoucherCache[object] = VoucherCache(2)
    first, second = cache.get(A, b"1", 9, object), cache.get(B, b"1", 9, object)
    cache.get(A, b"1", 9, object)
    cache.get(b"c" * 16, b"1", 9, object)
    assert len(cache) == 2
    assert cache.get(A, b"1", 9, object) is first
    assert cache.get(B, b"1", 9, object) is not second


def test_a_long_one_takes_the_room_of_many() -> None:
    cache: VoucherCache[object] = VoucherCache(4)
    usual, long = cache.get(A, b"1", USUAL, object), object()
    assert cache.get(B, b"1", 3 * USUAL, lambda: long) is long
    assert cache.get(A, b"1", USUAL, object) is usual
    assert cache.get(B, b"2", USUAL + 1, object) is not long
    assert len(cache) == 2
    assert cache.get(A, b"1", USUAL, object) is usual
    assert cache.get(B, b"1", 3 * USUAL, object) is not long


def test_one_that_there_is_no_room_for_drives_nobody_out() -> None:
    cache: VoucherCache[object] = VoucherCache(1)
    usual = cache.get(A, b"1", 9, object)
    cache.get(B, b"1", USUAL + 1, object)
    assert cache.get(A, b"1", 9, object) is usual
