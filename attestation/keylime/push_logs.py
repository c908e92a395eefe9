"""Logs that go along with a quote on the push channel: offered, and sent."""

from dataclasses import dataclass

from attestation.keylime.answers import Answer, base64_text
from attestation.keylime.errors import KeylimeError
from attestation.keylime.proxy import EVIDENCE_LIMIT
from hw.errors import LogUnavailableError
from hw.kernel_logs import KernelLogs

LIST_LIMIT = EVIDENCE_LIMIT - 64 * 1024  # bytes of logs in one attestation

_UEFI = {"evidence_class": "log", "evidence_type": "uefi_log"}
_WHOLE = {
    "evidence_version": "2.1",
    "supports_partial_access": False,
    "appendable": False,
    "formats": ["application/octet-stream"],
}
_LIST = {"evidence_class": "log", "evidence_type": "ima_log"}
_PARTS = {
    "supports_partial_access": True,
    "appendable": True,
    "formats": ["text/plain"],
}


@dataclass(frozen=True, slots=True)
class PushLogs:
    """What a kernel has to offer; ``logs`` None offers nothing."""

    logs: KernelLogs | None = None

    def offered(self) -> list[object]:
        """Members of what the device says it can show."""
        found: list[object] = []
        if self._event_log():
            found.append({**_UEFI, "capabilities": _WHOLE})
        if (count := self._entries()) is not None:
            found.append({**_LIST, "capabilities": {**_PARTS, "entry_count": count}})
        return found

    def sent(self, asked: tuple[Answer, ...]) -> list[object]:
        """What was asked for, in that order.

        Read it after the quote: so the list has all that the quote covers.

        Raises:
            KeylimeError: Something else was asked for, it is not there any more, or it
                is too long together.
        """
        found, left = list[object](), LIST_LIMIT
        for one in asked:
            kind = one.at("evidence_type").text()
            if kind == _UEFI["evidence_type"]:
                log = base64_text(self._event_log())
                data: dict[str, object] = {"entries": log}
                left -= len(log)
                found.append({**_UEFI, "data": data})
            elif kind == _LIST["evidence_type"]:
                first = one.at("chosen_parameters", "starting_offset").natural()
                found.append({**_LIST, "data": self._lines(first, left)})
            else:
                raise KeylimeError(f"{one.where}: asks for {kind!r}")
        return found

    def _event_log(self) -> bytes:
        """The log of firmware and boot loader; empty where there is none."""
        try:
            return b"" if self.logs is None else self.logs.event_log()
        except LogUnavailableError:
            return b""

    def _entries(self) -> int | None:
        """How many entries the IMA list has now; None where there is no list."""
        if self.logs is None:
            return None
        try:
            return max(part.following for part in self.logs.ima_parts())
        except LogUnavailableError:
            return None

    def _lines(self, first: int, limit: int) -> dict[str, object]:
        """The list from an entry on, as the verifier takes it."""
        assert self.logs is not None  # noqa: S101 - offered, or it is not asked for
        size, kept = 0, list[bytes]()
        for part in self.logs.ima_parts():
            lines = [one + b"\n" for one in part.lines.split(b"\n")[:-1]]
            lines = lines[max(first - part.first, 0) :]
            size += sum(map(len, lines))
            if size > limit:
                raise KeylimeError(
                    f"what is new of the IMA list is over {limit} bytes, which the push"
                    " channel does not carry"
                )
            kept += lines
        return {"entry_count": len(kept), "entries": _text(b"".join(kept))}


def _text(lines: bytes) -> str:
    try:
        return lines.decode()
    except UnicodeDecodeError as error:
        raise KeylimeError("the IMA list names a file not in UTF-8") from error
