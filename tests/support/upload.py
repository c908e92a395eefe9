"""An import whose file is sent piece by piece."""

import http.client
import json
from typing import Any, Self
from urllib.parse import urlsplit

from onboarding.services.api.voucher_import import LINES
from tests.support.services import SECONDS


class Upload:
    """One request to import vouchers; it is answered line by line."""

    def __init__(self, url: str, key: str) -> None:
        where = urlsplit(url)
        self._line = http.client.HTTPConnection(
            where.hostname or "", where.port, SECONDS
        )
        self._line.putrequest("POST", "/api/v1/vouchers")
        self._line.putheader("X-API-Key", key)
        self._line.putheader("Accept", LINES)
        self._line.putheader("Transfer-Encoding", "chunked")
        self._line.endheaders()
        self._socket = self._line.sock

    def send(self, text: str) -> None:
        self._socket.sendall(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    def end(self) -> None:
        self._socket.sendall(b"0\r\n\r\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def answer(self) -> http.client.HTTPResponse:
        return self._line.getresponse()


def lines(answer: http.client.HTTPResponse, count: int) -> list[dict[str, Any]]:
    """The next lines of an answer."""
    return [json.loads(answer.readline()) for _ in range(count)]
