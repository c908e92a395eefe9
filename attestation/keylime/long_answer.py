"""A long answer of Keylime's, read member by member while it comes.

The verifier's list of its agents is a kilobyte for each: what a fleet's would take as
values of Python's is several times that, so only one member is there at a time.
"""

import codecs
import json
from collections.abc import Iterable, Iterator

from attestation.keylime.answers import Answer
from attestation.keylime.errors import KeylimeError

MEMBER_LIMIT = 256 * 1024  # characters of one name or value
_BLANKS = " \t\r\n"
_DECODER = json.JSONDecoder()


def members_of(
    what: str, chunks: Iterable[bytes], name: str
) -> Iterator[tuple[str, Answer]]:
    """Yield the members of the object that is member ``name`` of the whole answer.

    What was yielded counts only when the iteration has come to its end: until then the
    answer may be cut off, or be no JSON further on.

    Raises:
        KeylimeError: It is not one JSON object in UTF-8 with that member, once, or has
            a part that is longer than ``MEMBER_LIMIT``.
    """
    text = _Text(what, chunks)
    found = 0
    for outer in text.names():
        if outer != name:
            text.value()
            continue
        found += 1
        for inner in text.names():
            yield inner, Answer(f"{what} {inner}", text.value())
    if found != 1 or text.peek():
        raise KeylimeError(f"{what}: not one object with one member {name!r}")


class _Text:
    """JSON text that arrives in pieces; what has been read is let go."""

    def __init__(self, what: str, chunks: Iterable[bytes]) -> None:
        self._what = what
        self._chunks = iter(chunks)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text, self._at, self._ended = "", 0, False

    def names(self) -> Iterator[str]:
        """Yield each name of the object that begins here; read its value before on."""
        self._take("{")
        more = self.peek() != "}"
        while more:
            name = self.value()
            if not isinstance(name, str):
                raise self._not_json()
            self._take(":")
            yield name
            more = self.peek() == ","
            if more:
                self._take(",")
        self._take("}")

    def value(self) -> object:
        """Read one value, and what follows it, which shows that it has ended."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._ended or len(self._text) - self._at > MEMBER_LIMIT:
                    raise self._not_json() from error
            else:
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            self._more()

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANKS:
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def _take(self, character: str) -> None:
        if self.peek() != character:
            raise self._not_json()
        self._at += 1

    def _more(self) -> None:
        chunk = next(self._chunks, None)
        self._ended = chunk is None
        try:
            more = self._decode(chunk or b"", self._ended)
        except UnicodeDecodeError as error:
            raise self._not_json() from error
        self._text, self._at = self._text[self._at :] + more, 0

    def _not_json(self) -> KeylimeError:
        return KeylimeError(f"{self._what}: the answer is not JSON, or too long")
