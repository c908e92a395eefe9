"""Server-sent events as a client reads them. Source: WHATWG HTML, section 9.2."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onboarding.device.errors import Garbled

LONGEST = 1024 * 1024  # bytes of a line


@dataclass(frozen=True, slots=True)
class Sent:
    """One event: its number as the server has it, and its data."""

    id: str
    data: str


def events_of(chunks: Iterable[bytes]) -> Iterator[Sent]:
    """Yield each whole event; comments and what only a browser needs are left out.

    Raises:
        Garbled: A line is over 1 MiB, or no UTF-8.
    """
    number, data = "", ""
    for line in lines_of(chunks):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            number = value
        elif name == "data":
            data = f"{data}\n{value}" if data else value
        elif not line and data:
            yield Sent(number, data)
            data = ""


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield each line that came to its end.

    Raises:
        Garbled: One is over 1 MiB, or no UTF-8.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST:
            raise Garbled("it answered with a line of over 1 MiB")
        for line in whole:
            try:
                yield line.removesuffix(b"\r").decode()
            except UnicodeError as error:
                raise Garbled("it answered with what is no UTF-8") from error
