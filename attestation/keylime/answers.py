"""Keylime's JSON: a value of the right shape, or an error. Never a default."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from attestation.keylime.errors import KeylimeError

MAX_TIME = 253_402_300_799  # the last second that datetime can say


def base64_text(data: bytes) -> str:
    """Write octets as Keylime takes them: standard base64, padded."""
    return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of an answer; ``where`` says which call and which member it is.

    Every method raises KeylimeError, naming ``where``, if the value is not of the
    kind asked for.
    """

    where: str
    value: object

    @classmethod
    def parse(cls, what: str, body: bytes) -> Self:
        """Decode ``body`` as one JSON document in UTF-8."""
        try:
            return cls(what, json.loads(body.decode()))
        except (ValueError, RecursionError) as error:
            raise KeylimeError(f"{what}: the answer is not JSON") from error

    def at(self, *path: str) -> Self:
        """Go down into objects, one member name after the other."""
        here = self
        for name in path:
            members = here.members()
            if name not in members:
                raise KeylimeError(f"{here.where}: member {name!r} is missing")
            here = type(self)(f"{here.where} {name}", members[name])
        return here

    def members(self) -> Mapping[str, object]:
        if not isinstance(self.value, dict):
            raise self._not("an object")
        return self.value

    def items(self, limit: int = 1000) -> Iterator[Self]:
        """Yield the elements of an array of at most ``limit``."""
        if not isinstance(self.value, list) or len(self.value) > limit:
            raise self._not(f"an array of at most {limit}")
        for index, element in enumerate(self.value):
            yield type(self)(f"{self.where}[{index}]", element)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self._not("text")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._not("true or false")
        return self.value

    def natural(self) -> int:
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._not("a natural number")
        return value

    def octets(self) -> bytes:
        """Decode standard base64, padding required."""
        try:
            return base64.b64decode(self.text(), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._not("base64") from error

    def moment(self) -> datetime | None:
        """Decode seconds since 1970, where Keylime says 0 for never."""
        seconds = self.natural()
        if seconds > MAX_TIME:
            raise self._not("a time")
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    def iso_moment(self) -> datetime:
        """Decode an ISO 8601 time with its offset."""
        try:
            moment = datetime.fromisoformat(self.text())
        except ValueError as error:
            raise self._not("a time") from error
        if moment.tzinfo is None:
            raise self._not("a time with offset")
        return moment

    def _not(self, wanted: str) -> KeylimeError:
        return KeylimeError(f"{self.where} is not {wanted}")
