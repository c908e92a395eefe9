"""Voucher files while they arrive: cut into vouchers before the last byte is here.

As in ``pem``: PEM with text around the blocks, or a CBOR sequence (RFC 8742). What is
kept is one voucher at most, and a little text.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ownership_vouchers import cbor
from ownership_vouchers.errors import Check, CheckFailed, MalformedError
from ownership_vouchers.pem import BEGIN, END, MAX_VOUCHERS
from ownership_vouchers.voucher import MAX_VOUCHER

_TEXT = 64 * 1024  # bytes between two vouchers that are kept together
_ARRAYS = range(0x80, 0xA0)  # what a voucher in CBOR begins with, and no text does
_OPENS = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class Cut:
    """A voucher for ``load_voucher``, None behind the last; and the text before it."""

    block: bytes | None
    text: bytes


class VoucherReader:
    """Takes a file in pieces of any size."""

    def __init__(self, limit: int = MAX_VOUCHERS) -> None:
        self._limit = limit
        self._rest = b""
        self._in_cbor: bool | None = None
        self._seen = 0

    def feed(self, data: bytes) -> Iterator[Cut]:
        """Yield what is whole by now.

        Raises:
            MalformedError: Where a voucher ends cannot be told.
            CheckFailed: ``limits``: a voucher is too large, or there are too many.
        """
        self._rest += data
        if self._in_cbor is None and self._rest:
            self._in_cbor = self._rest[0] in _ARRAYS
        for cut in self._items() if self._in_cbor else self._blocks():
            self._seen += cut.block is not None
            if self._seen > self._limit:
                raise CheckFailed(Check.LIMITS, f"more than {self._limit} vouchers")
            yield cut

    def end(self) -> Cut:
        """Return the text behind the last voucher.

        Raises:
            MalformedError: A voucher is not whole, or there is none.
        """
        if self._in_cbor and self._rest:
            raise MalformedError("not one well-formed CBOR item")
        if BEGIN in self._rest:
            raise MalformedError("a PEM block without its end")
        if not self._seen:
            raise MalformedError("no ownership voucher in it")
        return Cut(None, self._rest)

    def _items(self) -> Iterator[Cut]:
        start, size = 0, len(self._rest)
        probe = self._rest + b"\0"  # which an item takes that is not whole
        while start < size:
            end = cbor.survey(probe, start)
            if min(end, size) - start > MAX_VOUCHER:
                raise MalformedError(f"an item over {MAX_VOUCHER} bytes")
            if end > size:
                break
            item = self._rest[start:end]
            cbor.decode(item)
            yield Cut(item, b"")
            start = end
        self._rest = self._rest[start:]

    def _blocks(self) -> Iterator[Cut]:
        start = 0
        while (begin := self._rest.find(BEGIN, start)) >= 0:
            end = self._rest.find(END, begin)
            again = self._rest.find(BEGIN, begin + 1, end if end >= 0 else None)
            if again >= 0:
                raise MalformedError("a PEM block without its end")
            if end < 0:
                break
            yield Cut(self._rest[begin : end + len(END)], self._rest[start:begin])
            start = end + len(END)
        self._rest = self._rest[start:]
        if BEGIN not in self._rest:
            yield from self._passed()
        elif len(self._rest) > 2 * MAX_VOUCHER + _TEXT:
            raise CheckFailed(Check.LIMITS, f"voucher over {MAX_VOUCHER} bytes")

    def _passed(self) -> Iterator[Cut]:
        """Let go of long text, up to a block in it that is perhaps not whole."""
        if len(self._rest) <= _TEXT:
            return
        last = self._rest.rfind(_OPENS)
        cut = last if len(self._rest) - last < _TEXT and last > 0 else -len(BEGIN)
        yield Cut(None, self._rest[:cut])
        self._rest = self._rest[cut:]
