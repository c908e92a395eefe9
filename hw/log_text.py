"""Text out of a log, made fit to be shown: bounded, and no control of a terminal."""

import uuid

from hw.errors import StructureError

MAX_SHOWN = 512  # characters


def printable(text: str, limit: int = MAX_SHOWN) -> str:
    """The text with whatever is not printable escaped, and cut at ``limit``."""
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[:limit] + "..."


def quoted(text: str, limit: int = MAX_SHOWN) -> str:
    """The same between quotation marks."""
    return f'"{printable(text, limit)}"'


def utf8(data: bytes) -> str:
    """The text of bytes, what is not UTF-8 escaped, without the NUL at its end."""
    return data.removesuffix(b"\0").decode("utf-8", "backslashreplace")


def utf16(data: bytes) -> str:
    """Firmware's UCS-2, without the NUL at its end; raises StructureError."""
    try:
        return data.decode("utf-16-le").removesuffix("\0")
    except UnicodeDecodeError as error:
        raise StructureError("not UTF-16 text") from error


def guid(data: bytes) -> str:
    """An EFI_GUID of 16 bytes, as people write it."""
    return str(uuid.UUID(bytes_le=data))
